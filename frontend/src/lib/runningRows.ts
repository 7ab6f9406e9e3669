/**
 * The exchanges that run, as events tell of them. The store lists an exchange only after it ran for a while, so a
 * list just read may lack some; and of one that began before the feed stood, only its progress is ever heard.
 *
 * Promise: what an event said of a running exchange is kept until an event says that it is over; an unknown one is
 * worth asking for a bounded number of times, each after a longer pause. Knows neither the network nor the clock.
 */
import type { Row } from '@/api/types'

const ASK_LIMIT = 8
const FIRST_PAUSE_MS = 500
const ENDED = new Set(['done', 'error', 'stopped', 'interrupted'])

export const isEnded = (state: string) => ENDED.has(state)

export class RunningRows {
  private known = new Map<string, Row>()
  private asked = new Map<string, { times: number; nextAtMs: number }>()

  /** What an event or an answer said of an exchange. */
  note(row: Row) {
    this.asked.delete(row.id)
    if (isEnded(row.state)) this.known.delete(row.id)
    else this.known.set(row.id, row)
  }

  patch(id: string, fields: Partial<Row>) {
    const row = this.known.get(id)
    if (row) this.known.set(id, { ...row, ...fields })
  }

  forget(ids: readonly string[]) {
    for (const id of ids) {
      this.known.delete(id)
      this.asked.delete(id)
    }
  }

  /** Events were missed: which of these still run is not known any more. */
  clear() {
    this.known.clear()
    this.asked.clear()
  }

  rows(): Row[] {
    return [...this.known.values()]
  }

  /** Whether to ask for an exchange that a list lacks; counts as asked when it says yes. */
  isWorthAsking(id: string, nowMs: number): boolean {
    const { times, nextAtMs } = this.asked.get(id) ?? { times: 0, nextAtMs: 0 }
    if (times >= ASK_LIMIT || nowMs < nextAtMs) return false
    this.asked.set(id, { times: times + 1, nextAtMs: nowMs + FIRST_PAUSE_MS * 2 ** times })
    return true
  }
}
