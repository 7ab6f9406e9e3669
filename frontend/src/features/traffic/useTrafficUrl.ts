/** What of the Traffic screen lies in the URL: filter, highlight, grouping, order, peek. */
import { computed } from 'vue'
import { useRoute, useRouter } from 'vue-router'
import { GROUPINGS, SORTS, type Grouping, type SortKey } from '@/lib/group'

export function useTrafficUrl() {
  const route = useRoute()
  const router = useRouter()

  function text(name: string): string {
    const value = route.query[name]
    return typeof value === 'string' ? value : ''
  }

  function set(changes: Record<string, string | null>, how: 'push' | 'replace' = 'replace') {
    const query: Record<string, string> = {}
    for (const [name, value] of Object.entries({ ...route.query, ...changes }))
      if (typeof value === 'string' && value) query[name] = value
    void router[how]({ path: '/traffic', query })
  }

  const q = computed({ get: () => text('q'), set: (value) => set({ q: value }) })
  const highlight = computed({ get: () => text('hl'), set: (value) => set({ hl: value }) })
  const peek = computed({ get: () => text('peek') || null, set: (value) => set({ peek: value }) })
  const grouping = computed({
    get: (): Grouping => GROUPINGS.find((one) => one === text('group')) ?? 'flat',
    set: (value) => set({ group: value === 'flat' ? null : value }),
  })
  const sort = computed<{ key: SortKey; isRising: boolean }>({
    get: () => {
      const isRising = text('sort').startsWith('+')
      const key = SORTS.find((one) => one === text('sort').replace('+', ''))
      return { key: key ?? 'time', isRising: key ? isRising : false }
    },
    set: (value) =>
      set({ sort: value.key === 'time' && !value.isRising ? null : (value.isRising ? '+' : '') + value.key }),
  })
  const isHere = computed(() => route.name === 'traffic')

  return { q, highlight, peek, grouping, sort, isHere }
}
