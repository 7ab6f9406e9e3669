/** Play the frames of a stream again with the gaps they had. */
import { computed, onBeforeUnmount, ref, type Ref } from 'vue'
import type { StreamFrame } from '@/api/types'
import { textIn } from '@/lib/frameText'

export function useReplay(frames: Ref<StreamFrame[]>) {
  const isPlaying = ref(false)
  const count = ref(0)
  let frame = 0
  let startedMs = 0

  const text = computed(() =>
    frames.value
      .slice(0, count.value)
      .map((one) => textIn(one.data))
      .join(''),
  )

  function play() {
    const first = frames.value.find((one) => one.at_ns !== null)?.at_ns ?? 0
    count.value = 0
    isPlaying.value = true
    startedMs = performance.now()
    const step = () => {
      const reached = first + (performance.now() - startedMs) * 1e6
      while (count.value < frames.value.length && (frames.value[count.value]?.at_ns ?? 0) <= reached)
        count.value++
      if (count.value >= frames.value.length) isPlaying.value = false
      else if (isPlaying.value) frame = requestAnimationFrame(step)
    }
    step()
  }

  function stop() {
    isPlaying.value = false
    cancelAnimationFrame(frame)
  }

  onBeforeUnmount(stop)
  return { isPlaying, count, text, play, stop }
}
