/** The routes as the server asks them, and what can be done with them; each change goes through the API. */
import { useQuery } from '@pinia/colada'
import { computed, onBeforeUnmount, ref } from 'vue'
import { deleteRoute, listRoutes, replaceRoute } from '@/api/client'
import type { RouteView } from '@/api/types'
import { bodyOfRoute } from '@/lib/routeForm'
import { moveTo } from '@/lib/routeOrder'
import { useLive } from '@/stores/live'
import { useToasts } from '@/stores/toasts'
import { t } from '@/strings/all'

const UNDO_MS = 10_000

export function useRoutes() {
  const toasts = useToasts()
  const { data, error, refetch } = useQuery({ key: ['routes'], query: listRoutes, staleTime: 0 })
  const routes = computed(() => data.value?.items ?? null)
  const failure = ref<Error | null>(null)
  const isBusy = ref(false)

  onBeforeUnmount(
    useLive().listen((events) => {
      if (events.some((event) => event.type === 'config.changed')) void refetch()
    }),
  )

  /** One change at a time; what the server refuses is shown, and the list is as the server has it. */
  async function change(act: () => Promise<unknown>): Promise<boolean> {
    if (isBusy.value) return false
    isBusy.value = true
    failure.value = null
    try {
      await act()
      return true
    } catch (problem) {
      failure.value = problem as Error
      return false
    } finally {
      await refetch()
      isBusy.value = false
    }
  }

  const switchOn = (route: RouteView, isOn: boolean) =>
    change(() => replaceRoute(route.name, { ...bodyOfRoute(route), is_active: isOn }, route.revision))

  /** The priorities that bring a route to a place, null when it cannot stand there. */
  const plan = (from: number, to: number) => moveTo(routes.value ?? [], from, to)

  function move(from: number, to: number) {
    const priorities = plan(from, to)
    if (!priorities?.size) return Promise.resolve(false)
    return change(async () => {
      for (const route of routes.value ?? []) {
        const priority = priorities.get(route.name)
        if (priority !== undefined)
          await replaceRoute(route.name, { ...bodyOfRoute(route), priority }, route.revision)
      }
    })
  }

  async function remove(route: RouteView) {
    const isGone = await change(() => deleteRoute(route.name))
    if (!isGone) return
    toasts.show(t.routes.removed(route.name), {
      ms: UNDO_MS,
      action: { label: t.undo, run: () => void restore(route) },
    })
  }

  async function restore(route: RouteView) {
    if (await change(() => replaceRoute(route.name, { ...bodyOfRoute(route), position: route.position })))
      toasts.show(t.routes.restored(route.name))
  }

  return { routes, error, failure, isBusy, refetch, switchOn, plan, move, remove }
}
