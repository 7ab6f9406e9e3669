/** The columns that the list can show, their widths, and the presets. Only columns whose data exists. */
import { t } from '@/strings'
import type { SortKey } from '@/lib/group'

export interface Column {
  name: string
  width: number
  /** Takes what is left over. */
  isFlexible?: boolean
  isRight?: boolean
  sort?: SortKey
}

const LIST: Column[] = [
  { name: 'state', width: 28 },
  { name: 'time', width: 58, isRight: true, sort: 'time' },
  { name: 'client', width: 108 },
  { name: 'model', width: 144, sort: 'model' },
  { name: 'preview', width: 140, isFlexible: true },
  { name: 'turns', width: 46, isRight: true },
  { name: 'tokens', width: 132, sort: 'input' },
  { name: 'ttft', width: 68, isRight: true, sort: 'ttft' },
  { name: 'duration', width: 152, sort: 'duration' },
  { name: 'flags', width: 66 },
  { name: 'input', width: 62, isRight: true, sort: 'input' },
  { name: 'cached', width: 62, isRight: true },
  { name: 'output', width: 62, isRight: true, sort: 'output' },
  { name: 'rate', width: 80, isRight: true },
  { name: 'status', width: 54, isRight: true },
  { name: 'path', width: 200 },
  { name: 'provider', width: 96 },
  { name: 'route', width: 110 },
  { name: 'upstream', width: 150 },
  { name: 'session', width: 130 },
  { name: 'run', width: 100 },
  { name: 'size', width: 72, isRight: true },
  { name: 'stop', width: 88 },
  { name: 'tags', width: 120 },
  { name: 'id', width: 216 },
]

export const COLUMNS = new Map(LIST.map((column) => [column.name, column]))

export const PRESETS: Record<string, string[]> = {
  default: ['state', 'time', 'client', 'model', 'preview', 'turns', 'tokens', 'ttft', 'duration', 'flags'],
  debug: ['state', 'time', 'status', 'path', 'provider', 'model', 'preview', 'size', 'duration', 'flags'],
  latency: ['state', 'time', 'model', 'provider', 'preview', 'output', 'rate', 'ttft', 'duration'],
  agents: ['state', 'time', 'client', 'session', 'turns', 'preview', 'tokens', 'stop', 'duration'],
  tokens: ['state', 'time', 'client', 'model', 'preview', 'input', 'cached', 'output', 'rate'],
}

export function shownColumns(names: string[] | null, widths: Record<string, number>): Column[] {
  const chosen = (names ?? (PRESETS.default as string[]))
    .map((name) => COLUMNS.get(name))
    .filter((one) => one !== undefined)
  return chosen.map((one) => ({ ...one, width: widths[one.name] ?? one.width }))
}

/** What gives way first where the list is narrow, such as beside an open peek. */
const GIVES_WAY = [
  'turns',
  'ttft',
  'flags',
  'client',
  'tokens',
  'provider',
  'upstream',
  'route',
  'size',
  'session',
  'path',
  'time',
]
const PADDING = 16
/** What the flexible column should have where there is room for it. */
const COMFORT = 300
const NARROW = 800

export function fitting(columns: readonly Column[], width: number): Column[] {
  const wanted = (one: Column) =>
    one.isFlexible && width > NARROW ? Math.max(COMFORT, one.width) : one.width
  let kept = [...columns]
  for (const name of GIVES_WAY) {
    if (kept.reduce((sum, one) => sum + wanted(one), PADDING) <= width) break
    kept = kept.filter((one) => one.name !== name)
  }
  return kept
}

/** Tracks of the grid: the flexible column takes the rest, else the last one does. */
export function tracks(columns: readonly Column[]): string {
  const hasFlexible = columns.some((one) => one.isFlexible)
  return columns
    .map((one, place) =>
      one.isFlexible || (!hasFlexible && place === columns.length - 1)
        ? `minmax(${one.width}px, 1fr)`
        : `${one.width}px`,
    )
    .join(' ')
}

export function columnLabel(name: string): string {
  return t.traffic.columnNames[name] ?? name
}
