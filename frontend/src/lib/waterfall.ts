/** Where the waterfall bars of a list end and begin, on one axis for all rows in sight. */

export interface Bar {
  /** Shares of the axis, 0 to 1: waiting for the first byte, until the first token, the stream. */
  wait: number
  first: number
  stream: number
  /** The bar goes past the axis. */
  isCut: boolean
}

interface Times {
  duration_ns: number | null
  first_byte_ns: number | null
  first_token_ns: number | null
}

const STEPS = [1, 2, 5]

/** The next round figure at or above `ns`: 1, 2 or 5 times a power of ten. */
export function roundUp(ns: number): number {
  const power = 10 ** Math.floor(Math.log10(ns))
  for (const step of STEPS) if (step * power >= ns) return step * power
  return 10 * power
}

/** The axis' length: a round figure above nine of ten durations, so that one long call does not flatten the rest. */
export function axisFor(durations: readonly (number | null)[]): number {
  const known = durations.filter((one): one is number => one != null && one > 0).sort((a, b) => a - b)
  if (!known.length) return 1e9
  const longest = known[known.length - 1] as number
  const usual = known[Math.floor((known.length - 1) * 0.9)] as number
  return roundUp(Math.max(1e6, longest > usual * 3 ? usual * 1.2 : longest))
}

/** Keep an axis until it is too short, or four times too long: bars must not jump while one scrolls. */
export function settleAxis(current: number, wanted: number): number {
  return wanted > current || wanted * 4 <= current ? wanted : current
}

export function barOf(times: Times, axisNs: number, elapsedNs?: number): Bar | null {
  const total = times.duration_ns ?? elapsedNs
  if (total == null) return null
  const end = Math.min(total, axisNs)
  const firstByte = Math.min(times.first_byte_ns ?? total, end)
  const firstToken = Math.max(firstByte, Math.min(times.first_token_ns ?? firstByte, end))
  return {
    wait: firstByte / axisNs,
    first: (firstToken - firstByte) / axisNs,
    stream: (end - firstToken) / axisNs,
    isCut: total > axisNs,
  }
}
