/**
 * The cursor row and the selection of the list. Both hold ids, so that they survive live rows and new orders.
 */
import { computed, ref, shallowRef } from 'vue'

export interface Places {
  /** Number of lines in the list. */
  count: () => number
  idAt: (position: number) => string | null
  positionOf: (id: string) => number
}

export function useCursor(places: Places) {
  const cursor = ref<string | null>(null)
  const selected = shallowRef<ReadonlySet<string>>(new Set())
  let anchor: string | null = null

  const position = computed(() => (cursor.value ? places.positionOf(cursor.value) : -1))

  function moveTo(place: number): string | null {
    const count = places.count()
    if (!count) return null
    const clamped = Math.max(0, Math.min(count - 1, place))
    cursor.value = places.idAt(clamped)
    return cursor.value
  }

  function moveBy(steps: number): string | null {
    return moveTo(position.value < 0 ? 0 : position.value + steps)
  }

  function toggle(id: string) {
    const next = new Set(selected.value)
    if (!next.delete(id)) next.add(id)
    selected.value = next
    anchor = id
    cursor.value = id
  }

  /** Select all from where the selection began to `id`. */
  function extendTo(id: string) {
    const from = places.positionOf(anchor ?? cursor.value ?? id)
    const to = places.positionOf(id)
    if (from < 0 || to < 0) return toggle(id)
    anchor ??= places.idAt(from)
    const next = new Set<string>()
    for (let place = Math.min(from, to); place <= Math.max(from, to); place++) {
      const one = places.idAt(place)
      if (one) next.add(one)
    }
    selected.value = next
    cursor.value = id
  }

  function extendBy(steps: number) {
    const start = cursor.value
    anchor ??= start
    const id = moveBy(steps)
    if (id) extendTo(id)
  }

  function clear() {
    selected.value = new Set()
    anchor = null
  }

  return { cursor, selected, position, moveTo, moveBy, toggle, extendTo, extendBy, clear }
}
