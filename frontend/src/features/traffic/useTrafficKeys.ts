/** The keys of the Traffic screen (UI.md section 4), for what works. */
import { useShortcuts } from '@/stores/shortcuts'
import { t } from '@/strings'

export interface TrafficActs {
  isActive: () => boolean
  moveBy: (steps: number) => void
  page: (direction: 1 | -1) => void
  last: () => void
  peek: () => void
  open: () => void
  escape: () => void
  select: () => void
  extend: (steps: number) => void
  pause: () => void
  newest: () => void
  remove: () => void
  clear: () => void
  focusQuery: () => void
  focusHighlight: () => void
  toggleRail: () => void
}

export function useTrafficKeys(acts: TrafficActs) {
  const section = t.shortcuts.sections.list
  const words = t.shortcuts
  const key = (keys: string, label: string, run: () => void, also?: string[], isHidden = false) => ({
    keys,
    label,
    section,
    isHidden,
    ...(also ? { also } : {}),
    isActive: acts.isActive,
    run,
  })
  useShortcuts().use([
    key('/', words.query, acts.focusQuery),
    key('H', words.highlight, acts.focusHighlight),
    key('j', words.next, () => acts.moveBy(1), ['ArrowDown'], true),
    key('k', words.previous, () => acts.moveBy(-1), ['ArrowUp'], true),
    key('Home', words.first, acts.newest, undefined, true),
    key('End', words.last, acts.last, undefined, true),
    key('PageDown', words.pageDown, () => acts.page(1), undefined, true),
    key('PageUp', words.pageUp, () => acts.page(-1), undefined, true),
    key('Space', words.peek, acts.peek),
    key('Enter', words.open, acts.open, undefined, true),
    key('Escape', words.escape, acts.escape, undefined, true),
    key('x', words.select, acts.select, undefined, true),
    key('J', words.extendDown, () => acts.extend(1), ['Shift+ArrowDown'], true),
    key('K', words.extendUp, () => acts.extend(-1), ['Shift+ArrowUp'], true),
    key('p', words.pause, acts.pause),
    key('.', words.newest, acts.newest),
    key('Delete', words.delete, acts.remove),
    key('z', words.clear, acts.clear),
    key('b', words.rail, acts.toggleRail),
  ])
}
