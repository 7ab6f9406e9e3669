/** The feed of events: its state for the status bar, and its batches for whoever shows exchanges. */
import { defineStore } from 'pinia'
import { ref, shallowRef } from 'vue'
import { goToLogin } from '@/api/client'
import { EventFeed, type FeedEvent, type FeedMessage, type FeedState } from '@/lib/eventFeed'

/** Data of the event `status`. */
export interface Counters {
  in_flight?: number
  requests_per_min?: number
  lag_s?: number
  capture_drops?: number
  is_panicking?: boolean
  /** Why nothing can be stored at the moment. */
  trouble?: string | null
}

type Listener = (events: FeedEvent[]) => void

export const useLive = defineStore('live', () => {
  const feed = ref<FeedState>({ state: 'connecting' })
  const counters = shallowRef<Counters>({})
  const listeners = new Set<Listener>()
  let retry: () => void = () => undefined

  function receive(message: FeedMessage) {
    if (message.kind === 'state') {
      feed.value = message.state
      if (message.state.state === 'refused') goToLogin()
      return
    }
    for (const event of message.events) if (event.type === 'status') counters.value = event.data as Counters
    for (const listener of listeners) listener(message.events)
  }

  /** Open the feed once for the whole browser; where shared workers are missing, once for this tab. */
  function connect() {
    if (typeof SharedWorker === 'undefined') {
      const own = new EventFeed('/api/events', receive)
      retry = () => own.retryNow()
      void own.run()
      return
    }
    const worker = new SharedWorker(new URL('../workers/events.ts', import.meta.url), {
      type: 'module',
      name: 'dragoman-events',
    })
    worker.port.onmessage = (message: MessageEvent<FeedMessage>) => receive(message.data)
    worker.port.start()
    retry = () => worker.port.postMessage('retry')
    addEventListener('pagehide', () => worker.port.postMessage('leave'))
  }

  function listen(listener: Listener): () => void {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  return { feed, counters, connect, listen, retryNow: () => retry() }
})
