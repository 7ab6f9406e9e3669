/** How the providers do: asked for every few seconds while somebody looks, and at once when the configuration changes. */
import { useQuery } from '@pinia/colada'
import { computed, onBeforeUnmount } from 'vue'
import { listHealth } from '@/api/client'
import type { ProviderHealth } from '@/api/types'
import { useLive } from '@/stores/live'

const EVERY_MS = 4000

export function useHealth() {
  const { data, refetch } = useQuery({
    key: ['provider-health'],
    query: ({ signal }) => listHealth(signal),
    staleTime: 0,
  })
  const timer = setInterval(() => {
    if (!document.hidden) void refetch()
  }, EVERY_MS)
  const stop = useLive().listen((events) => {
    if (events.some((event) => event.type === 'config.changed')) void refetch()
  })
  onBeforeUnmount(() => {
    clearInterval(timer)
    stop()
  })
  return computed(
    () => new Map((data.value?.items ?? []).map((one): [string, ProviderHealth] => [one.slug, one])),
  )
}
