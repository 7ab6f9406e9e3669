/**
 * The window of exchanges that a list shows: newest first, bounded, fed by pages and by live rows.
 *
 * Promise: order is by id (ids rise with time), an id stands once, and past `limit` live rows push out the oldest
 * (pages asked for by scrolling may go beyond it). `version` of the caller tells Vue that something changed.
 * Knows neither the network nor Vue.
 */
import type { Row } from '@/api/types'
import { ColumnStore } from './columns'
import { isEnded } from './runningRows'

export interface Change {
  added: number
  updated: number
}

export class RowWindow {
  readonly columns = new ColumnStore()
  /** Slots, newest first. */
  order: number[] = []

  constructor(readonly limit = 20_000) {}

  get count(): number {
    return this.order.length
  }

  row(position: number): Row | null {
    const slot = this.order[position]
    return slot === undefined ? null : this.columns.row(slot)
  }

  idAt(position: number): string | null {
    const slot = this.order[position]
    return slot === undefined ? null : this.columns.id(slot)
  }

  byId(id: string): Row | null {
    const slot = this.columns.slotOf(id)
    return slot === undefined ? null : this.columns.row(slot)
  }

  has(id: string): boolean {
    return this.columns.slotOf(id) !== undefined
  }

  stateOf(id: string): Row['state'] | null {
    const slot = this.columns.slotOf(id)
    return slot === undefined ? null : this.columns.value(slot, 'state')
  }

  /** Where `id` stands, by binary search; -1 when it is not here. */
  positionOf(id: string): number {
    if (!this.has(id)) return -1
    return this.placeFor(id)
  }

  /** Put rows in; rows older than the oldest known one are taken only with `older` (a page), never as live news. */
  merge(rows: readonly Row[], source: 'live' | 'page'): Change {
    const change = { added: 0, updated: 0 }
    const fresh: { id: string; slot: number }[] = []
    for (const row of rows) {
      const slot = this.columns.slotOf(row.id)
      if (slot !== undefined) {
        if (isNewer(row, this.columns.value(slot, 'seq'), this.columns.value(slot, 'state'))) {
          this.columns.put(row)
          change.updated++
        }
        continue
      }
      fresh.push({ id: row.id, slot: this.columns.put(row) })
    }
    change.added = fresh.length
    if (fresh.length) this.order = this.interleave(fresh)
    if (source === 'live') this.trim()
    return change
  }

  remove(ids: readonly string[]): number {
    const gone = new Set<number>()
    for (const id of ids) {
      const slot = this.columns.remove(id)
      if (slot !== undefined) gone.add(slot)
    }
    if (gone.size) this.order = this.order.filter((slot) => !gone.has(slot))
    return gone.size
  }

  trim() {
    while (this.order.length > this.limit) {
      const slot = this.order.pop()
      if (slot !== undefined) this.columns.remove(this.columns.id(slot))
    }
  }

  private placeFor(id: string): number {
    let low = 0
    let high = this.order.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.columns.id(this.order[middle] as number) > id) low = middle + 1
      else high = middle
    }
    return low
  }

  private interleave(fresh: { id: string; slot: number }[]): number[] {
    fresh.sort((a, b) => (a.id < b.id ? 1 : -1))
    const merged: number[] = []
    let next = 0
    for (const slot of this.order) {
      const id = this.columns.id(slot)
      while (next < fresh.length && (fresh[next] as { id: string }).id > id)
        merged.push((fresh[next++] as { slot: number }).slot)
      merged.push(slot)
    }
    while (next < fresh.length) merged.push((fresh[next++] as { slot: number }).slot)
    return merged
  }
}

/** A late page must not undo what an event already said: a higher seq wins, an ended state beats a running one. */
function isNewer(row: Row, knownSeq: number, knownState: string): boolean {
  if (row.seq !== knownSeq && row.seq > 0 && knownSeq > 0) return row.seq > knownSeq
  return !(isEnded(knownState) && !isEnded(row.state))
}
