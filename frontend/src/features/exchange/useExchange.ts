/** One exchange as the page shows it: its facts, kept up to date by events, and its bodies once they are asked for. */
import { useQuery, useQueryCache } from '@pinia/colada'
import { computed, onBeforeUnmount, shallowRef, watch } from 'vue'
import { ApiError, getExchange, getPrompt, getReply } from '@/api/client'
import type { Progress, Row } from '@/api/types'
import { useLive } from '@/stores/live'
import { useTraffic } from '@/stores/traffic'

export const isRunning = (row: Pick<Row, 'state'> | null | undefined) =>
  row?.state === 'waiting' || row?.state === 'streaming'

export const detailOf = (id: string) => ({
  key: ['exchange', id],
  query: ({ signal }: { signal: AbortSignal }) => getExchange(id, signal),
  staleTime: 60_000,
})
export const promptOf = (id: string) => ({
  key: ['prompt', id],
  query: ({ signal }: { signal: AbortSignal }) => orNull(getPrompt(id, signal)),
  staleTime: Infinity,
})
export const replyOf = (id: string) => ({
  key: ['reply', id],
  query: ({ signal }: { signal: AbortSignal }) => orNull(getReply(id, signal)),
  staleTime: Infinity,
})

/** What is not understood, runs still or is no longer kept has no canonical form: null, not an error. */
async function orNull<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof ApiError && error.status < 500 && error.status !== 401) return null
    throw error
  }
}

export function useExchange(id: string) {
  const detail = useQuery(detailOf(id))
  const cache = useQueryCache()
  const heard = shallowRef<Row | null>(useTraffic().window().byId(id))
  const row = computed<Row | null>(() => {
    const known = detail.data.value?.row
    if (!known) return heard.value
    return heard.value && isRunning(known) ? heard.value : known
  })

  const live = useLive()
  // Its end may have been told while nobody listened.
  const askIfRunning = () => {
    if (isRunning(row.value)) void detail.refetch()
  }
  watch(
    () => live.feed.state,
    (state) => state === 'live' && askIfRunning(),
  )
  const stop = live.listen((events) => {
    for (const event of events) {
      if (event.type === 'resync') askIfRunning()
      const data = event.data as { id?: string }
      if (data?.id !== id || !event.type.startsWith('exchange.')) continue
      if (event.type === 'exchange.progress') {
        const { state, response_bytes, output, is_estimated } = data as Progress
        if (row.value)
          heard.value = {
            ...row.value,
            state: state as Row['state'],
            response_bytes,
            output: output ?? null,
            is_estimated: is_estimated ?? true,
          }
        continue
      }
      heard.value = data as Row
      if (event.type === 'exchange.changed')
        for (const key of ['prompt', 'reply']) void cache.invalidateQueries({ key: [key, id] })
      if (event.type !== 'exchange.started') void detail.refetch()
    }
  })
  onBeforeUnmount(stop)

  return { detail, row }
}

export function useBodies(id: string, row: () => Row | null) {
  const isOver = computed(() => row() !== null && !isRunning(row()))
  const prompt = useQuery(() => ({ ...promptOf(id), enabled: isOver.value }))
  const reply = useQuery(() => ({ ...replyOf(id), enabled: isOver.value }))
  const parent = computed(() => row()?.parent ?? null)
  const parentPrompt = useQuery(() => ({
    ...promptOf(parent.value ?? ''),
    enabled: isOver.value && parent.value !== null,
  }))
  return { prompt, reply, parent, parentPrompt, isOver }
}
