/**
 * Which rows of a list of equal heights are drawn: plain arithmetic, always the same number of them, so that a row
 * which leaves at one end is filled anew at the other and not made anew. Pure.
 */

const OVERSCAN = 5

export interface Slice {
  first: number
  count: number
  /** Row `n` is drawn by element `n % pool`. */
  pool: number
}

export function sliceOf(scrollTop: number, viewport: number, rowHeight: number, total: number): Slice {
  const pool = Math.ceil(viewport / rowHeight) + 1 + 2 * OVERSCAN
  const count = Math.min(pool, total)
  const wanted = Math.floor(scrollTop / rowHeight) - OVERSCAN
  return { first: Math.max(0, Math.min(wanted, total - count)), count, pool }
}

/** Where to scroll so that a row is seen below the head; null when it is. */
export function scrollToSee(
  row: number,
  rowHeight: number,
  scrollTop: number,
  viewport: number,
): number | null {
  const top = row * rowHeight
  if (top < scrollTop) return top
  if (top + rowHeight > scrollTop + viewport) return top + rowHeight - viewport
  return null
}
