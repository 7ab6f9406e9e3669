/**
 * Routes in the order in which they are asked, and which priorities to change so that one moves past another.
 *
 * The order is the server's: priority, an exact model before `prefix*`, a longer pattern before a shorter one, then
 * as they stand. A move changes as few priorities as it can, and none of a route that cannot be edited. Pure.
 */

export interface Ranked {
  name: string
  model: string | null
  priority: number
  is_editable: boolean
}

/** Negative when the first is asked before the second by its pattern alone, at the same priority. */
export function compareByPattern(one: Pick<Ranked, 'model'>, other: Pick<Ranked, 'model'>): number {
  const isExact = (model: string | null) => model !== null && !model.endsWith('*')
  const length = (model: string | null) => (model ?? '').replace(/\*+$/, '').length
  return Number(isExact(other.model)) - Number(isExact(one.model)) || length(other.model) - length(one.model)
}

const isBefore = (one: Ranked, other: Ranked) =>
  one.priority < other.priority || (one.priority === other.priority && compareByPattern(one, other) < 0)

/** New priorities by name that put the route at `from` to the place `to`; null when a read-only one is in the way. */
export function moveTo(routes: readonly Ranked[], from: number, to: number): Map<string, number> | null {
  const moved = routes[from]
  if (!moved?.is_editable || to < 0 || to >= routes.length) return null
  const wanted = routes.filter((_, place) => place !== from)
  wanted.splice(to, 0, moved)
  const plans = [pushDown(wanted, to), pushUp(wanted, to)].filter((one) => one !== null)
  return plans.sort((one, other) => one.size - other.size)[0] ?? null
}

/** Place the route behind what stands above it; those below that are in the way go down. */
function pushDown(wanted: readonly Ranked[], place: number): Map<string, number> | null {
  const moved = wanted[place] as Ranked
  const above = wanted[place - 1]
  const below = wanted[place + 1]
  let priority = moved.priority
  if (above && below) priority = between(above, moved, below)
  else if (above) priority = isBefore(above, moved) ? moved.priority : after(above, moved)
  else if (below) priority = before(moved, below)
  return settle(wanted, place, priority, 1)
}

/** Place the route before what stands below it; those above that are in the way go up. */
function pushUp(wanted: readonly Ranked[], place: number): Map<string, number> | null {
  const moved = wanted[place] as Ranked
  const below = wanted[place + 1]
  if (!below) return null
  return settle(wanted, place, before(moved, below), -1)
}

function settle(
  wanted: readonly Ranked[],
  place: number,
  priority: number,
  step: 1 | -1,
): Map<string, number> | null {
  const changed = new Map<string, number>()
  const now = wanted.map((one) => ({ ...one }))
  const set = (one: Ranked, next: number) => {
    if (one.priority === next) return
    one.priority = next
    changed.set(one.name, next)
  }
  set(now[place] as Ranked, priority)
  for (let at = place; now[at + step]; at += step) {
    const fixed = now[at] as Ranked
    const next = now[at + step] as Ranked
    if (step === 1 ? isBefore(fixed, next) : isBefore(next, fixed)) break
    if (!next.is_editable) return null
    set(next, step === 1 ? after(fixed, next) : before(next, fixed))
  }
  const opposite = now[place - step]
  const moved = now[place] as Ranked
  if (opposite && !(step === 1 ? isBefore(opposite, moved) : isBefore(moved, opposite))) return null
  return changed
}

const after = (above: Ranked, one: Ranked) => above.priority + (compareByPattern(above, one) < 0 ? 0 : 1)
const before = (one: Ranked, below: Ranked) => below.priority - (compareByPattern(one, below) < 0 ? 0 : 1)

function between(above: Ranked, one: Ranked, below: Ranked): number {
  const low = after(above, one)
  const high = before(one, below)
  if (low >= high) return low
  return one.priority >= low && one.priority <= high ? one.priority : Math.floor((low + high) / 2)
}
