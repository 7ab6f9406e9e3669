/** While one walks the list, the next exchanges are fetched ahead, so that the peek opens at once. */
import { useQueryCache } from '@pinia/colada'
import { onMounted } from 'vue'
import { useTraffic } from '@/stores/traffic'
import { detailOf, isRunning, promptOf, replyOf } from './useExchange'

const AHEAD = 3
const AFTER_MS = 120
/** Larger bodies are not worth it. */
const LIMIT_BYTES = 1_000_000

export function usePrefetch(id: () => string) {
  const traffic = useTraffic()
  const cache = useQueryCache()
  onMounted(() => setTimeout(fetchAhead, AFTER_MS))

  function fetchAhead() {
    const window_ = traffic.window()
    const place = window_.positionOf(id())
    if (place < 0) return
    for (let next = place + 1; next <= place + AHEAD; next++) {
      const row = window_.row(next)
      if (!row || isRunning(row) || (row.request_bytes ?? 0) > LIMIT_BYTES) continue
      for (const options of [detailOf(row.id), promptOf(row.id), replyOf(row.id)])
        void cache.refresh(cache.ensure<unknown, Error, undefined>(options)).catch(() => undefined)
    }
  }
}
