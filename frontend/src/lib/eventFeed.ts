/**
 * Keep one connection to `/api/events` open for good, and hand its events on in batches.
 *
 * Promise: at most ten batches a second; progress of an exchange is merged within a batch; after a loss it comes
 * back with growing pauses and names the last id, so that the server fills the gap or says `resync`.
 */
import { HttpRefusal, readSse, type SseEvent } from './sse'

export type FeedState =
  { state: 'connecting' } | { state: 'live' } | { state: 'lost'; retryAtMs: number } | { state: 'refused' }

export interface FeedEvent {
  type: string
  data: unknown
}

export type FeedMessage = { kind: 'state'; state: FeedState } | { kind: 'events'; events: FeedEvent[] }

const BATCH_MS = 100
const PAUSES_MS = [500, 1000, 2000, 3000, 5000, 10_000]

export class EventFeed {
  state: FeedState = { state: 'connecting' }
  private waiting: FeedEvent[] = []
  private progressAt = new Map<string, number>()
  private timer: ReturnType<typeof setTimeout> | undefined
  private lastId = ''
  private failures = 0
  private stopper = new AbortController()
  private wake: (() => void) | undefined

  constructor(
    private url: string,
    private send: (message: FeedMessage) => void,
  ) {}

  async run(): Promise<void> {
    while (!this.stopper.signal.aborted) {
      try {
        await readSse(this.url, {
          lastId: this.lastId,
          signal: this.stopper.signal,
          onOpen: () => this.opened(),
          onEvent: (event) => this.take(event),
        })
      } catch (error) {
        if (error instanceof HttpRefusal && error.status === 401) return this.tell({ state: 'refused' })
      }
      if (!this.stopper.signal.aborted) await this.pause()
    }
  }

  /** Do not wait any longer for the next try. */
  retryNow() {
    this.wake?.()
  }

  stop() {
    this.stopper.abort()
    clearTimeout(this.timer)
    this.wake?.()
  }

  private opened() {
    this.failures = 0
    this.tell({ state: 'live' })
  }

  private tell(state: FeedState) {
    this.state = state
    this.send({ kind: 'state', state })
  }

  private async pause() {
    const pause = PAUSES_MS[Math.min(this.failures++, PAUSES_MS.length - 1)] as number
    this.tell({ state: 'lost', retryAtMs: Date.now() + pause })
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pause)
      this.wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  private take(event: SseEvent) {
    if (event.id) this.lastId = event.id
    const data = JSON.parse(event.data) as unknown
    const place = event.type === 'exchange.progress' ? (data as { id: string }).id : null
    const known = place === null ? undefined : this.progressAt.get(place)
    if (known !== undefined) this.waiting[known] = { type: event.type, data }
    else {
      const count = this.waiting.push({ type: event.type, data })
      if (place !== null) this.progressAt.set(place, count - 1)
    }
    this.timer ??= setTimeout(() => this.flush(), BATCH_MS)
  }

  private flush() {
    this.timer = undefined
    const events = this.waiting
    this.waiting = []
    this.progressAt.clear()
    this.send({ kind: 'events', events })
  }
}
