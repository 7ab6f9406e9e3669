/**
 * The reply of a running exchange as it comes, token by token; drawn at most every 80 ms. When the connection breaks
 * while it still runs, it is followed again: the server tells all from the beginning.
 */
import { onBeforeUnmount, ref, shallowRef } from 'vue'
import { streamUrl } from '@/api/client'
import type { LiveDelta, Reply } from '@/api/types'
import { ReplyBuilder } from '@/lib/assemble'
import { readSse } from '@/lib/sse'
import { throttle } from '@/lib/throttle'

const DRAW_MS = 80
const AGAIN_AFTER_MS = 1000

export function useReplyStream(id: string, isRunning: () => boolean) {
  const reply = shallowRef<Reply | null>(null)
  const isOpen = ref(false)
  const stopper = new AbortController()
  let builder = new ReplyBuilder()
  const draw = throttle(() => (reply.value = builder.reply), DRAW_MS)

  async function follow() {
    if (isOpen.value || stopper.signal.aborted || !isRunning()) return
    isOpen.value = true
    builder = new ReplyBuilder()
    try {
      await readSse(streamUrl(id), {
        signal: stopper.signal,
        onEvent: (event) => {
          if (event.type !== 'delta') return
          builder.feed((JSON.parse(event.data) as LiveDelta).delta)
          draw()
        },
      })
    } catch {
      // The facts' own state tells how it ended; the text so far stays.
    } finally {
      isOpen.value = false
      if (!stopper.signal.aborted) setTimeout(() => void follow(), AGAIN_AFTER_MS)
    }
  }

  onBeforeUnmount(() => stopper.abort())
  return { reply, isOpen, follow }
}
