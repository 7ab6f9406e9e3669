/** Which of the large overlays is open; at most one. */
import { defineStore } from 'pinia'
import { ref } from 'vue'

export const useOverlays = defineStore('overlays', () => {
  const open = ref<'palette' | 'shortcuts' | null>(null)
  return { open }
})
