/** The lines of the list: rows of the window, grouped and ordered as asked. Recomputed when the store's version changes. */
import { computed, ref, type Ref } from 'vue'
import { groupLines, sortSlots, type Group, type Grouping, type Line, type SortKey } from '@/lib/group'
import type { Row } from '@/api/types'
import { useTraffic } from '@/stores/traffic'

export function useLines(grouping: Ref<Grouping>, sort: Ref<{ key: SortKey; isRising: boolean }>) {
  const traffic = useTraffic()
  const openGroups = ref<ReadonlySet<string>>(new Set())

  const isNatural = computed(
    () => grouping.value === 'flat' && sort.value.key === 'time' && !sort.value.isRising,
  )

  const lines = computed<readonly Line[]>(() => {
    void traffic.version
    const { columns, order } = traffic.window()
    if (isNatural.value) return order
    const sorted =
      sort.value.key === 'time' && !sort.value.isRising
        ? order
        : sortSlots(columns, order, sort.value.key, sort.value.isRising)
    return groupLines(columns, sorted, grouping.value, openGroups.value)
  })

  function lineAt(position: number): Group | Row | null {
    const line = lines.value[position]
    if (line === undefined) return null
    return typeof line === 'number' ? traffic.window().columns.row(line) : line
  }

  function idAt(position: number): string | null {
    const line = lines.value[position]
    if (line === undefined) return null
    return typeof line === 'number' ? traffic.window().columns.id(line) : `group:${line.key}`
  }

  function positionOf(id: string): number {
    void traffic.version
    if (isNatural.value) return traffic.window().positionOf(id)
    if (id.startsWith('group:'))
      return lines.value.findIndex((line) => typeof line !== 'number' && line.key === id.slice(6))
    const slot = traffic.window().columns.slotOf(id)
    return slot === undefined ? -1 : lines.value.indexOf(slot)
  }

  function toggleGroup(key: string) {
    const next = new Set(openGroups.value)
    if (!next.delete(key)) next.add(key)
    openGroups.value = next
  }

  return { lines, lineAt, idAt, positionOf, toggleGroup, openGroups, isNatural }
}
