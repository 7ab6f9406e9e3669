/** All keys that work now, with what they do: one source for the key handler, the `?` sheet and the palette. */
import { defineStore } from 'pinia'
import { onBeforeUnmount, shallowReactive } from 'vue'
import { KeyMatcher, type Binding } from '@/lib/keys'

export interface Shortcut extends Binding {
  label: string
  section: string
  /** Further keys for the same, shown beside the first. */
  also?: string[]
  /** Not offered in the palette (moving about is quicker by key). */
  isHidden?: boolean
  /** Whether it works now; always unless told. */
  isActive?: () => boolean
}

export const useShortcuts = defineStore('shortcuts', () => {
  const groups = shallowReactive(new Map<symbol, Shortcut[]>())
  const matcher = new KeyMatcher()

  function all(): Shortcut[] {
    return [...groups.values()].flat().filter((one) => one.isActive?.() ?? true)
  }

  function onKey(event: KeyboardEvent) {
    if (event.defaultPrevented || isTakenByTarget(event)) return
    const bindings = all().flatMap((one) => [one, ...(one.also ?? []).map((keys) => ({ ...one, keys }))])
    const found = matcher.match(event, bindings)
    if (!found) return
    event.preventDefault()
    found.run(event)
  }

  /** Register keys for as long as the calling component lives. */
  function use(list: Shortcut[]) {
    const key = Symbol('shortcuts')
    groups.set(key, list)
    onBeforeUnmount(() => groups.delete(key))
  }

  return { all, onKey, use }
})

const PRESSED = new Set(['Enter', ' '])
const SCROLLED = new Set(['Home', 'End', 'PageUp', 'PageDown', 'ArrowUp', 'ArrowDown', ' '])

/** What has the focus comes first: overlays take all keys, buttons are pressed, panels are scrolled. */
function isTakenByTarget({ target, key }: KeyboardEvent): boolean {
  if (!(target instanceof Element)) return false
  if (target.closest('[role=dialog],[role=menu],[role=listbox]')) return true
  if (PRESSED.has(key) && target.closest('button,a,summary,[role=tab],[role=treeitem]')) return true
  return SCROLLED.has(key) && target.closest('[role=tabpanel],[role=region],pre') !== null
}
