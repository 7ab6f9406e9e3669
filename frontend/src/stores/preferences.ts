/** What one likes and nobody else needs to see: theme, density, widths, columns. Kept under one versioned key. */
import { defineStore } from 'pinia'
import { reactive, watch } from 'vue'

const KEY = 'dragoman.v1'

export interface Preferences {
  theme: 'system' | 'light' | 'dark'
  density: 'compact' | 'comfortable'
  peekWidth: number
  railOpen: boolean
  timelineOpen: boolean
  announces: boolean
  /** Names of the shown columns, in order; null is the default set. */
  columns: string[] | null
  columnWidths: Record<string, number>
}

const DEFAULTS: Preferences = {
  theme: 'system',
  density: 'compact',
  peekWidth: 520,
  railOpen: true,
  timelineOpen: true,
  announces: true,
  columns: null,
  columnWidths: {},
}

export const usePreferences = defineStore('preferences', () => {
  const values = reactive<Preferences>({ ...DEFAULTS, ...read() })
  const system = matchMedia('(prefers-color-scheme: dark)')

  function paint() {
    const isDark = values.theme === 'dark' || (values.theme === 'system' && system.matches)
    document.documentElement.classList.toggle('dark', isDark)
    document.documentElement.dataset.density = values.density
  }

  system.addEventListener('change', paint)
  watch(values, () => localStorage.setItem(KEY, JSON.stringify(values)), { deep: true })
  watch(() => [values.theme, values.density], paint)
  return { values }
})

function read(): Partial<Preferences> {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Preferences>
  } catch {
    return {}
  }
}
