/** Which side of the exchange is looked at, in the address: with the client, with the provider, or both compared. */
import { computed } from 'vue'
import { useRoute, useRouter } from 'vue-router'

export const SIDES = ['received', 'upstream', 'diff'] as const
export type SideView = (typeof SIDES)[number]

export function useSide(offered: () => readonly SideView[]) {
  const route = useRoute()
  const router = useRouter()
  return computed<SideView>({
    get: () => offered().find((one) => one === route.query.side) ?? 'received',
    set: (next) =>
      void router.replace({
        path: route.path,
        query: { ...route.query, side: next === 'received' ? undefined : next },
      }),
  })
}
