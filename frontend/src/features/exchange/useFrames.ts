/** The frames of a reply, fetched in pages until they are all there. */
import { onBeforeUnmount, ref, shallowRef } from 'vue'
import { ApiError, getFrames } from '@/api/client'
import type { StreamFrame, StreamFrames } from '@/api/types'

const PAGE = 2000

export function useFrames(id: string, isUpstream: boolean) {
  const frames = shallowRef<StreamFrame[]>([])
  const total = ref(0)
  const framing = ref<StreamFrames['framing'] | null>(null)
  const failure = ref<Error | null>(null)
  const isLoading = ref(false)
  const stopper = new AbortController()
  onBeforeUnmount(() => stopper.abort())

  async function load() {
    if (isLoading.value) return
    isLoading.value = true
    failure.value = null
    try {
      let from: number | null = 0
      let gathered: StreamFrame[] = []
      while (from !== null) {
        const page: StreamFrames = await getFrames(id, isUpstream, from, PAGE, stopper.signal)
        gathered = gathered.concat(page.frames)
        frames.value = gathered
        total.value = page.total
        framing.value = page.framing
        from = page.next_from
      }
    } catch (error) {
      // A body that is not kept (any more) has no frames; the banner says so.
      if (!stopper.signal.aborted && !(error instanceof ApiError && error.status < 500))
        failure.value = error as Error
    } finally {
      isLoading.value = false
    }
  }

  return { frames, total, framing, failure, isLoading, load }
}
