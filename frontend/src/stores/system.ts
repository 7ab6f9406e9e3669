/** How Dragoman itself is: from `/api/status` at the start and when the configuration changes, then from events. */
import { defineStore } from 'pinia'
import { computed, shallowRef, watch } from 'vue'
import { getStatus } from '@/api/client'
import type { Status } from '@/api/types'
import { useLive } from './live'

export interface SystemCounters {
  in_flight: number | null
  per_minute: number | null
  lag_s: number | null
  capture_drops: number | null
  is_panicking: boolean
  trouble: string | null
}

export const useSystem = defineStore('system', () => {
  const live = useLive()
  const status = shallowRef<Status | null>(null)

  async function refresh() {
    try {
      status.value = await getStatus()
    } catch {
      return // The live connection's state already says that nothing answers.
    }
  }

  const counters = computed<SystemCounters>(() => {
    const known = status.value
    const heard = live.counters
    return {
      in_flight: heard.in_flight ?? known?.in_flight ?? null,
      per_minute: heard.requests_per_min ?? null,
      lag_s: heard.lag_s ?? known?.lag.seconds ?? null,
      capture_drops: heard.capture_drops ?? known?.capture_drops ?? null,
      is_panicking: heard.is_panicking ?? known?.is_panicking ?? false,
      trouble: heard.trouble ?? null,
    }
  })
  const baseUrl = computed(() => status.value?.base_url ?? location.origin)

  watch(
    () => live.feed.state,
    (state) => {
      if (state === 'live') void refresh()
    },
    { immediate: true },
  )
  live.listen((events) => {
    if (events.some((event) => event.type === 'config.changed')) void refresh()
  })

  return { status, counters, baseUrl, refresh }
})
