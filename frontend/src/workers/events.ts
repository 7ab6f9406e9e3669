/** One feed of events for all tabs of a browser: HTTP/1.1 gives a browser six connections to a server. */
import { EventFeed, type FeedMessage } from '@/lib/eventFeed'

const ports = new Set<MessagePort>()
const feed = new EventFeed('/api/events', (message) => ports.forEach((port) => port.postMessage(message)))

declare const self: SharedWorkerGlobalScope

self.onconnect = (event) => {
  const port = event.ports[0] as MessagePort
  ports.add(port)
  port.onmessage = (message: MessageEvent<'leave' | 'retry'>) => {
    if (message.data === 'retry') feed.retryNow()
    else ports.delete(port)
  }
  port.postMessage({ kind: 'state', state: feed.state } satisfies FeedMessage)
}

void feed.run()
