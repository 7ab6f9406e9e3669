/** A clock for relative times; stands still while the page is hidden. */
import { onBeforeUnmount, ref, type Ref } from 'vue'

export function useNow(everyMs: number): Ref<number> {
  const now = ref(Date.now())
  const timer = setInterval(() => {
    if (!document.hidden) now.value = Date.now()
  }, everyMs)
  onBeforeUnmount(() => clearInterval(timer))
  return now
}
