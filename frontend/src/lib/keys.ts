/**
 * Single keys, chords and sequences: `j`, `mod+k`, `y c`, `Shift+ArrowDown`.
 *
 * Promise: nothing fires while somebody types, but `mod+…` and Escape; a sequence is forgotten after a second.
 * Capital letters stand for Shift (`H`). Pure but for the clock that is given.
 */

export interface Binding {
  keys: string
  run: (event: KeyboardEvent) => void
  /** Also while typing; `mod+…` always is. */
  whileTyping?: boolean
}

const FORGET_AFTER_MS = 1000
const isMac = typeof navigator !== 'undefined' && /Mac|iP(hone|ad)/.test(navigator.platform)

export function keyName(event: KeyboardEvent): string {
  const mod = isMac ? event.metaKey : event.ctrlKey
  const key = event.key === ' ' ? 'Space' : event.key
  const shift = event.shiftKey && key.length > 1 ? 'Shift+' : ''
  if (mod) return `mod+${key.length === 1 ? key.toLowerCase() : key}`
  if (event.altKey || event.ctrlKey || event.metaKey) return ''
  return shift + key
}

export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)
}

export class KeyMatcher {
  private pressed: string[] = []
  private lastMs = 0

  constructor(private now: () => number = () => performance.now()) {}

  /** The binding that this press completes, the later one first; null when there is none (yet). */
  match(event: KeyboardEvent, bindings: readonly Binding[]): Binding | null {
    const name = keyName(event)
    if (!name || ['Shift', 'Control', 'Meta', 'Alt'].includes(event.key)) return null
    const typing = isTyping(event.target)
    const usable = bindings.filter((one) => !typing || one.whileTyping || one.keys.startsWith('mod+'))
    if (this.now() - this.lastMs > FORGET_AFTER_MS) this.pressed = []
    this.lastMs = this.now()
    for (const tried of this.pressed.length ? [[...this.pressed, name], [name]] : [[name]]) {
      const text = tried.join(' ')
      const found = usable.findLast((one) => one.keys === text)
      if (found) {
        this.pressed = []
        return found
      }
      if (usable.some((one) => one.keys.startsWith(text + ' '))) {
        this.pressed = tried
        return null
      }
    }
    this.pressed = []
    return null
  }
}

/** How a key is written for people: `⌘ K` or `Ctrl K`, `y c`. */
export function keyLabel(keys: string): string[] {
  return keys.split(/[ +]/).map((key) => {
    if (key === 'mod') return isMac ? '⌘' : 'Ctrl'
    if (key.startsWith('Arrow'))
      return { ArrowUp: '↑', ArrowDown: '↓', ArrowLeft: '←', ArrowRight: '→' }[key] ?? key
    return key === 'Escape'
      ? 'Esc'
      : key === 'Delete'
        ? 'Del'
        : key.length === 1 && keys.includes('+')
          ? key.toUpperCase()
          : key
  })
}
