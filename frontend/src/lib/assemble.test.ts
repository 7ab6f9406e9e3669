import { describe, expect, it } from 'vitest'
import type { Delta } from '@/api/types'
import { ReplyBuilder } from './assemble'

function build(deltas: Delta[]) {
  const builder = new ReplyBuilder()
  deltas.forEach((delta) => builder.feed(delta))
  return builder.reply
}

describe('ReplyBuilder', () => {
  it('joins text and keeps parts in the order of their numbers', () => {
    const reply = build([
      { type: 'started', id: 'm1', model: 'm' },
      { type: 'part', part: 1, value: { type: 'tool_call', id: 't', name: 'bash' } },
      { type: 'part', part: 0, value: { type: 'text', text: 'Hel' } },
      { type: 'grew', part: 0, text: 'lo' },
      { type: 'grew', part: 1, arguments: '{"a"' },
      { type: 'grew', part: 1, arguments: ':1}' },
      { type: 'progress', stop_reason: 'tool_use' },
      { type: 'ended' },
    ])
    expect(reply.message?.parts).toEqual([
      { type: 'text', text: 'Hello' },
      { type: 'tool_call', id: 't', name: 'bash', arguments: '{"a":1}' },
    ])
    expect(reply).toMatchObject({ id: 'm1', model: 'm', stop_reason: 'tool_use', is_complete: true })
  })

  it('replaces signatures, takes the final form of a part, and leaves further choices out', () => {
    const reply = build([
      { type: 'part', part: 0, value: { type: 'reasoning', text: 'a' } },
      { type: 'grew', part: 0, signature: 'one' },
      { type: 'grew', part: 0, signature: 'two', text: 'b' },
      { type: 'part', part: 0, choice: 1, value: { type: 'text', text: 'other' } },
      { type: 'part', part: 1, value: { type: 'text', text: 'x' } },
      { type: 'part_ended', part: 1, value: { type: 'text', text: 'final' } },
    ])
    expect(reply.message?.parts).toEqual([
      { type: 'reasoning', text: 'ab', signature: 'two' },
      { type: 'text', text: 'final' },
    ])
    expect(reply.is_complete).toBe(false)
  })

  it('ignores growth of a part that never began', () => {
    expect(build([{ type: 'grew', part: 3, text: 'lost' }]).message?.parts).toEqual([])
  })
})
