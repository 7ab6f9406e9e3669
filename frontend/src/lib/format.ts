/** Turn figures into short words. Unknown is an en dash, never 0. Numbers go through Intl. */

export const UNKNOWN = '–'

const count = new Intl.NumberFormat()
const oneDigit = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 })
const twoDigits = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2, minimumFractionDigits: 2 })
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const day = new Intl.DateTimeFormat(undefined, {
  month: 'short',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
})
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })

export function formatCount(value: number | null | undefined): string {
  return value == null ? UNKNOWN : count.format(value)
}

/** 950, 1.2k, 48k, 1.3M */
export function formatShort(value: number | null | undefined): string {
  if (value == null) return UNKNOWN
  if (value < 1000) return String(Math.round(value))
  if (value < 9950) return `${oneDigit.format(value / 1000)}k`
  if (value < 999_500) return `${Math.round(value / 1000)}k`
  return `${oneDigit.format(value / 1e6)}M`
}

/** 8 ms, 0.42 s, 12.3 s, 2 m 05 s */
export function formatDuration(ns: number | null | undefined): string {
  if (ns == null) return UNKNOWN
  const ms = ns / 1e6
  if (ms < 1) return `${twoDigits.format(ms)} ms`
  if (ms < 100) return `${oneDigit.format(ms)} ms`
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 10_000) return `${twoDigits.format(ms / 1000)} s`
  if (ms < 60_000) return `${oneDigit.format(ms / 1000)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, '0')} s`
  return `${Math.floor(seconds / 3600)} h ${String(Math.floor((seconds % 3600) / 60)).padStart(2, '0')} m`
}

export function formatBytes(bytes: number | null | undefined): string {
  if (bytes == null) return UNKNOWN
  if (bytes < 1000) return `${bytes} B`
  const units = ['kB', 'MB', 'GB', 'TB']
  let value = bytes / 1000
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${value < 10 ? oneDigit.format(value) : Math.round(value)} ${units[unit]}`
}

export function formatRate(perSecond: number | null | undefined): string {
  return perSecond == null
    ? UNKNOWN
    : `${perSecond < 10 ? oneDigit.format(perSecond) : Math.round(perSecond)} tok/s`
}

/** `now`, `12 s`, `4 min`, `3 h`, then the date. */
export function formatAge(startedNs: number, nowMs: number): string {
  const seconds = Math.max(0, Math.floor((nowMs - startedNs / 1e6) / 1000))
  if (seconds < 2) return 'now'
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 12 * 3600) return `${Math.floor(seconds / 3600)} h`
  return day.format(startedNs / 1e6)
}

/** Hours and minutes. */
export function formatTime(ms: number): string {
  return time.format(ms)
}

export function formatClock(ns: number): string {
  return clock.format(ns / 1e6)
}

export function formatMoment(ns: number | null | undefined): string {
  return ns == null ? UNKNOWN : full.format(ns / 1e6)
}

export function formatPercent(share: number): string {
  return `${oneDigit.format(share * 100)} %`
}

/** Tokens that went in, all kinds together; null when none is known. */
export function inputTokens(row: {
  input_fresh: number | null
  cache_read: number | null
  cache_write_5m: number | null
  cache_write_1h: number | null
}): number | null {
  const known = [row.input_fresh, row.cache_read, row.cache_write_5m, row.cache_write_1h].filter(
    (one) => one != null,
  )
  return known.length ? known.reduce((sum, one) => sum + one, 0) : null
}

/** Output tokens a second, from the first token (or byte) to the last. */
export function tokenRate(row: {
  output: number | null
  first_token_ns: number | null
  first_byte_ns: number | null
  last_token_ns: number | null
  duration_ns: number | null
}): number | null {
  const from = row.first_token_ns ?? row.first_byte_ns
  const to = row.last_token_ns ?? row.duration_ns
  if (row.output == null || from == null || to == null || to - from < 1e6) return null
  return row.output / ((to - from) / 1e9)
}

/** `file:/home/ann/dragoman.yaml:12` as `dragoman.yaml:12`; what is no file as it is. */
export function shortPlace(source: string): string {
  return source.replace(/^file:(?:.*[\\/])?/, '')
}
