/**
 * Put the deltas of a running stream together into the reply so far.
 *
 * Promise: the same Message as the server's assembler makes, given the same deltas; feeding one costs O(1) and not
 * the length of the reply. Pure.
 */
import type { Delta, Message, Part, Reply } from '@/api/types'

type Mutable = Record<string, unknown> & { type: string }

export class ReplyBuilder {
  private parts = new Map<number, Mutable>()
  private facts: Partial<Reply> = {}
  isEnded = false

  feed(delta: Delta): void {
    if (delta.type === 'started') {
      this.facts = { ...this.facts, ...pick(delta, ['id', 'model']) }
    } else if (delta.type === 'part') {
      if (!delta.choice) this.parts.set(delta.part, { ...(delta.value as unknown as Mutable) })
    } else if (delta.type === 'grew') {
      if (!delta.choice) this.grow(delta)
    } else if (delta.type === 'part_ended') {
      if (!delta.choice && delta.value) this.parts.set(delta.part, { ...(delta.value as unknown as Mutable) })
    } else if (delta.type === 'progress') {
      const names = [
        'stop_reason',
        'native_stop_reason',
        'stop_sequence',
        'usage',
        'id',
        'model',
        'error',
      ] as const
      this.facts = { ...this.facts, ...pick(delta, names) }
    } else {
      this.isEnded = true
    }
  }

  get reply(): Reply {
    const ordered = [...this.parts].sort(([a], [b]) => a - b)
    const message: Message = {
      role: 'assistant',
      parts: ordered.map(([, part]) => ({ ...part }) as unknown as Part),
    }
    return { ...this.facts, message, is_complete: this.isEnded }
  }

  private grow(delta: Extract<Delta, { type: 'grew' }>) {
    const part = this.parts.get(delta.part)
    if (!part) return
    for (const name of ['text', 'summary', 'arguments'] as const) {
      const more = delta[name]
      if (more) part[name] = ((part[name] as string | undefined) ?? '') + more
    }
    for (const name of ['signature', 'encrypted'] as const) if (delta[name] != null) part[name] = delta[name]
    if (delta.annotation != null)
      part.annotations = [...((part.annotations as unknown[]) ?? []), delta.annotation]
  }
}

function pick<T extends object, K extends keyof T>(from: T, names: readonly K[]): Partial<Pick<T, K>> {
  const found: Partial<Pick<T, K>> = {}
  for (const name of names) if (from[name] != null) found[name] = from[name]
  return found
}
