/** Short notes on finished background work; a delete carries its undo. */
import { defineStore } from 'pinia'
import { ref } from 'vue'

export interface Toast {
  id: number
  text: string
  kind: 'done' | 'error'
  action?: { label: string; run: () => void }
  /** How long it stays. */
  ms: number
}

export const useToasts = defineStore('toasts', () => {
  const items = ref<Toast[]>([])
  const timers = new Map<number, ReturnType<typeof setTimeout>>()
  let last = 0

  function show(text: string, options: Partial<Pick<Toast, 'kind' | 'action' | 'ms'>> = {}): number {
    const toast: Toast = { id: ++last, text, kind: options.kind ?? 'done', ms: options.ms ?? 4000 }
    if (options.action) toast.action = options.action
    items.value = [...items.value, toast].slice(-4)
    timers.set(
      toast.id,
      setTimeout(() => close(toast.id), toast.ms),
    )
    return toast.id
  }

  function close(id: number) {
    clearTimeout(timers.get(id))
    timers.delete(id)
    items.value = items.value.filter((one) => one.id !== id)
  }

  return { items, show, close }
})
