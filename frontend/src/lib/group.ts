/** Group the rows of a list under what they share, keeping the newest group first. Pure but for reading columns. */
import type { Row } from '@/api/types'
import type { ColumnStore } from './columns'

export const GROUPINGS = ['flat', 'conversation', 'run', 'client'] as const
export type Grouping = (typeof GROUPINGS)[number]

export interface Group {
  kind: 'group'
  key: string
  count: number
  errors: number
  running: number
  input: number | null
  output: number | null
  /** From the first start to the last known end. */
  spanNs: number
  fromNs: number
  newestNs: number
  title: string
}

export type Line = number | Group

/** Groups with their rows below them (only those that are open); a plain slot for a row. */
export function groupLines(
  columns: ColumnStore,
  order: readonly number[],
  grouping: Grouping,
  open: ReadonlySet<string>,
): Line[] {
  if (grouping === 'flat') return order as Line[]
  const members = new Map<string, number[]>()
  for (const slot of order) {
    const key = keyOf(columns, slot, grouping)
    const list = members.get(key)
    if (list) list.push(slot)
    else members.set(key, [slot])
  }
  const lines: Line[] = []
  for (const [key, slots] of members) {
    lines.push(summarise(columns, key, slots, grouping))
    if (open.has(key)) lines.push(...slots)
  }
  return lines
}

function keyOf(columns: ColumnStore, slot: number, grouping: Exclude<Grouping, 'flat'>): string {
  if (grouping === 'conversation')
    return columns.value(slot, 'conversation') ?? columns.value(slot, 'session') ?? columns.id(slot)
  return columns.value(slot, grouping) ?? ''
}

function summarise(columns: ColumnStore, key: string, slots: number[], grouping: Grouping): Group {
  let errors = 0
  let running = 0
  let input: number | null = null
  let output: number | null = null
  let from = Infinity
  let to = 0
  for (const slot of slots) {
    const state = columns.value(slot, 'state')
    if (state === 'error' || state === 'interrupted') errors++
    if (state === 'waiting' || state === 'streaming') running++
    input = add(input, columns.value(slot, 'input_fresh'), columns.value(slot, 'cache_read'))
    input = add(input, columns.value(slot, 'cache_write_5m'), columns.value(slot, 'cache_write_1h'))
    output = add(output, columns.value(slot, 'output'))
    const started = columns.value(slot, 'started_ns')
    from = Math.min(from, started)
    to = Math.max(to, started + (columns.value(slot, 'duration_ns') ?? 0))
  }
  const newest = slots[0] as number
  return {
    kind: 'group',
    key,
    count: slots.length,
    errors,
    running,
    input,
    output,
    spanNs: to - from,
    fromNs: from,
    newestNs: columns.value(newest, 'started_ns'),
    title: titleOf(columns, slots, key, grouping),
  }
}

function titleOf(columns: ColumnStore, slots: number[], key: string, grouping: Grouping): string {
  if (grouping !== 'conversation') return key
  const oldest = slots[slots.length - 1] as number
  return columns.value(oldest, 'preview') || columns.value(oldest, 'path')
}

function add(sum: number | null, ...more: (number | null)[]): number | null {
  for (const one of more) if (one != null) sum = (sum ?? 0) + one
  return sum
}

export const SORTS = ['time', 'model', 'input', 'output', 'ttft', 'duration'] as const
export type SortKey = (typeof SORTS)[number]

/** Order slots by a column; unknown values go last, equal ones stay newest first. */
export function sortSlots(
  columns: ColumnStore,
  order: readonly number[],
  key: SortKey,
  isRising: boolean,
): number[] {
  if (key === 'time') return isRising ? [...order].reverse() : [...order]
  const read = reader(columns, key)
  const sign = isRising ? 1 : -1
  return [...order]
    .map((slot, place) => ({ slot, place, value: read(slot) }))
    .sort((a, b) => {
      if (a.value == null || b.value == null)
        return (a.value == null ? 1 : 0) - (b.value == null ? 1 : 0) || a.place - b.place
      return (a.value < b.value ? -sign : a.value > b.value ? sign : 0) || a.place - b.place
    })
    .map((one) => one.slot)
}

function reader(
  columns: ColumnStore,
  key: Exclude<SortKey, 'time'>,
): (slot: number) => number | string | null {
  const field = (name: keyof Row) => (slot: number) => columns.value(slot, name) as number | string | null
  if (key === 'model') return field('model_asked')
  if (key === 'output') return field('output')
  if (key === 'ttft') return field('first_token_ns')
  if (key === 'duration') return field('duration_ns')
  return (slot) =>
    add(
      null,
      columns.value(slot, 'input_fresh'),
      columns.value(slot, 'cache_read'),
      columns.value(slot, 'cache_write_5m'),
      columns.value(slot, 'cache_write_1h'),
    )
}
