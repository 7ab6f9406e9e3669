/**
 * A column store for exchange rows: typed arrays and dictionary-encoded words instead of objects.
 *
 * Promise: 20,000 rows cost a few megabytes and no deep reactivity; a row is put back together only when it is
 * drawn. Slots are reused after `remove`. Does not order rows and does not know the network.
 */
import type { Row } from '@/api/types'

type Kind = 'number' | 'flag' | 'word' | 'text' | 'words'

const KINDS: Record<keyof Row, Kind> = {
  id: 'text',
  seq: 'number',
  state: 'word',
  ending: 'word',
  started_ns: 'number',
  duration_ns: 'number',
  first_byte_ns: 'number',
  first_token_ns: 'number',
  last_token_ns: 'number',
  method: 'word',
  path: 'word',
  status: 'number',
  error_code: 'word',
  error_message: 'text',
  provider: 'word',
  dialect: 'word',
  endpoint: 'word',
  model_asked: 'word',
  model_served: 'word',
  route: 'word',
  upstream_dialect: 'word',
  upstream_model: 'word',
  losses: 'number',
  is_streamed: 'flag',
  client: 'word',
  client_version: 'word',
  peer: 'text',
  origin: 'word',
  run: 'word',
  session: 'word',
  conversation: 'word',
  parent: 'text',
  turns: 'number',
  user: 'word',
  tags: 'words',
  input_fresh: 'number',
  cache_read: 'number',
  cache_write_5m: 'number',
  cache_write_1h: 'number',
  output: 'number',
  reasoning: 'number',
  is_estimated: 'flag',
  stop_reason: 'word',
  native_stop_reason: 'word',
  preview: 'text',
  reply_preview: 'text',
  tools_declared: 'number',
  tools_called: 'words',
  flags: 'words',
  attempts: 'number',
  request_bytes: 'number',
  response_bytes: 'number',
  capture: 'word',
  is_untouched: 'flag',
  parser_version: 'number',
}
const FIELDS = Object.keys(KINDS) as (keyof Row)[]

const DRAWN_LIMIT = 400

interface Column {
  set(slot: number, value: unknown): void
  get(slot: number): unknown
  grow(size: number): void
}

class NumberColumn implements Column {
  private values = new Float64Array(0)
  set(slot: number, value: unknown) {
    this.values[slot] = typeof value === 'number' ? value : NaN
  }
  get(slot: number) {
    const value = this.values[slot] as number
    return Number.isNaN(value) ? null : value
  }
  grow(size: number) {
    const next = new Float64Array(size)
    next.set(this.values)
    this.values = next
  }
}

class FlagColumn implements Column {
  private values = new Int8Array(0)
  set(slot: number, value: unknown) {
    this.values[slot] = value === true ? 1 : value === false ? 0 : -1
  }
  get(slot: number) {
    const value = this.values[slot]
    return value === -1 ? null : value === 1
  }
  grow(size: number) {
    const next = new Int8Array(size)
    next.set(this.values)
    this.values = next
  }
}

class TextColumn implements Column {
  private values: (string | null)[] = []
  set(slot: number, value: unknown) {
    this.values[slot] = (value as string | null | undefined) ?? null
  }
  get(slot: number) {
    return this.values[slot] ?? null
  }
  grow() {}
}

/** Each word once; slots hold its number. Lists are encoded as one joined word. */
class WordColumn implements Column {
  private numbers = new Int32Array(0)
  private words: unknown[] = [null]
  private known = new Map<string, number>()
  constructor(private isList: boolean) {}
  set(slot: number, value: unknown) {
    if (value == null) {
      this.numbers[slot] = 0
      return
    }
    const key = this.isList ? (value as string[]).join('\u0000') : (value as string)
    let number = this.known.get(key)
    if (number === undefined) {
      number = this.words.push(this.isList ? Object.freeze([...(value as string[])]) : value) - 1
      this.known.set(key, number)
    }
    this.numbers[slot] = number
  }
  get(slot: number) {
    return this.words[this.numbers[slot] as number]
  }
  grow(size: number) {
    const next = new Int32Array(size)
    next.set(this.numbers)
    this.numbers = next
  }
}

function makeColumn(kind: Kind): Column {
  if (kind === 'number') return new NumberColumn()
  if (kind === 'flag') return new FlagColumn()
  if (kind === 'text') return new TextColumn()
  return new WordColumn(kind === 'words')
}

export class ColumnStore {
  private columns = Object.fromEntries(FIELDS.map((field) => [field, makeColumn(KINDS[field])])) as Record<
    keyof Row,
    Column
  >
  private slots = new Map<string, number>()
  private free: number[] = []
  /** Rows put together lately: the same object as long as nothing of it changed, so that drawing can tell. */
  private drawn = new Map<number, Row>()
  private size = 0
  private capacity = 0

  get count(): number {
    return this.slots.size
  }

  slotOf(id: string): number | undefined {
    return this.slots.get(id)
  }

  /** Write a whole row, in its old slot when the id is known; returns the slot. */
  put(row: Row): number {
    let slot = this.slots.get(row.id)
    if (slot === undefined) {
      slot = this.free.pop() ?? this.size++
      this.reserve(slot + 1)
      this.slots.set(row.id, slot)
    }
    for (const field of FIELDS) this.columns[field].set(slot, row[field])
    this.drawn.delete(slot)
    return slot
  }

  /** Change some fields of a known row; false when the id is unknown. */
  patch(id: string, fields: Partial<Row>): boolean {
    const slot = this.slots.get(id)
    if (slot === undefined) return false
    this.drawn.delete(slot)
    for (const field of Object.keys(fields) as (keyof Row)[]) this.columns[field]?.set(slot, fields[field])
    return true
  }

  remove(id: string): number | undefined {
    const slot = this.slots.get(id)
    if (slot === undefined) return undefined
    this.slots.delete(id)
    this.drawn.delete(slot)
    this.free.push(slot)
    return slot
  }

  value<F extends keyof Row>(slot: number, field: F): Row[F] {
    return this.columns[field].get(slot) as Row[F]
  }

  id(slot: number): string {
    return this.columns.id.get(slot) as string
  }

  row(slot: number): Row {
    const known = this.drawn.get(slot)
    if (known) return known
    const row: Record<string, unknown> = {}
    for (const field of FIELDS) row[field] = this.columns[field].get(slot)
    if (this.drawn.size >= DRAWN_LIMIT) this.drawn.clear()
    this.drawn.set(slot, row as Row)
    return row as Row
  }

  private reserve(size: number) {
    if (size <= this.capacity) return
    this.capacity = Math.max(256, size, this.capacity * 2)
    for (const field of FIELDS) this.columns[field].grow(this.capacity)
  }
}
