/**
 * Read server-sent events over fetch, so that the last id can be named and a refusal seen.
 *
 * Promise: each event once, in order, lines split at CR, LF or both and nowhere else; returns when the server ends
 * the stream, throws when it breaks or refuses.
 */

export interface SseEvent {
  id: string
  type: string
  data: string
}

export class SseParser {
  private rest = ''
  private id = ''
  private type = ''
  private data: string[] = []

  constructor(private onEvent: (event: SseEvent) => void) {}

  feed(text: string): void {
    this.rest += text
    let from = 0
    for (;;) {
      const end = this.lineEnd(from)
      if (end < 0) break
      this.line(this.rest.slice(from, end))
      from = end + (this.rest.startsWith('\r\n', end) ? 2 : 1)
    }
    this.rest = this.rest.slice(from)
  }

  /** Where the next whole line ends; a CR at the very end may be half of CRLF and waits. */
  private lineEnd(from: number): number {
    for (let at = from; at < this.rest.length; at++) {
      const sign = this.rest.charCodeAt(at)
      if (sign === 10) return at
      if (sign === 13) return at + 1 < this.rest.length ? at : -1
    }
    return -1
  }

  private line(line: string) {
    if (line === '') return this.dispatch()
    const colon = line.indexOf(':')
    if (colon === 0) return
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'data') this.data.push(value)
    else if (field === 'event') this.type = value
    else if (field === 'id') this.id = value
  }

  private dispatch() {
    if (this.data.length)
      this.onEvent({ id: this.id, type: this.type || 'message', data: this.data.join('\n') })
    this.data = []
    this.type = ''
  }
}

export class HttpRefusal extends Error {
  constructor(readonly status: number) {
    super(`HTTP ${status}`)
  }
}

export async function readSse(
  url: string,
  options: { lastId?: string; signal: AbortSignal; onOpen?: () => void; onEvent: (event: SseEvent) => void },
): Promise<void> {
  const headers: Record<string, string> = { accept: 'text/event-stream' }
  if (options.lastId) headers['last-event-id'] = options.lastId
  const response = await fetch(url, { headers, signal: options.signal, cache: 'no-store' })
  if (!response.ok || !response.body) throw new HttpRefusal(response.status)
  options.onOpen?.()
  const parser = new SseParser(options.onEvent)
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return
    parser.feed(value)
  }
}
