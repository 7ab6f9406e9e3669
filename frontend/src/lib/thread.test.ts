import { describe, expect, it } from 'vitest'
import type { Message, Prompt } from '@/api/types'
import { callSummary, layOut, sharedTurns } from './thread'

const text = (role: Message['role'], said: string, cache?: string): Message => ({
  role,
  parts: [{ type: 'text', text: said, ...(cache === undefined ? {} : { cache }) }],
})
const call: Message = {
  role: 'assistant',
  parts: [{ type: 'tool_call', id: 't1', name: 'bash', arguments: '{"cmd":"ls"}' }],
}
const result: Message = {
  role: 'tool',
  parts: [{ type: 'tool_result', call_id: 't1', parts: [{ type: 'text', text: 'a.txt' }] }],
}

describe('layOut', () => {
  it('joins a result to its call and drops the message that held nothing else', () => {
    const thread = layOut({ messages: [text('user', 'list'), call, result] }, null)
    expect(thread.turns.map((turn) => turn.role)).toEqual(['user', 'assistant'])
    expect(thread.turns[1]?.blocks[0]?.result?.parts?.[0]).toMatchObject({ text: 'a.txt' })
  })

  it('keeps a result whose call is not there', () => {
    const thread = layOut({ messages: [result] }, null)
    expect(thread.turns[0]?.blocks[0]?.part.type).toBe('tool_result')
  })

  it('shades up to the last cache mark and not past it', () => {
    const thread = layOut(
      { messages: [text('system', 's', ''), text('user', 'a', '5m'), text('user', 'b')] },
      null,
    )
    expect(thread.system[0]?.blocks[0]).toMatchObject({ isCached: true, hasMark: true })
    expect(thread.turns.map((turn) => turn.blocks[0]?.isCached)).toEqual([true, false])
  })

  it('marks as new what the turn before did not hold, also a result joined to an old call', () => {
    const messages = [text('system', 's'), text('user', 'a'), text('assistant', 'b'), text('user', 'c')]
    expect(layOut({ messages }, 2).turns.map((turn) => turn.isNew)).toEqual([false, false, true])
    expect(
      layOut({ messages: [text('user', 'list'), call, result] }, 2).turns.map((turn) => turn.isNew),
    ).toEqual([false, true])
  })
})

describe('sharedTurns', () => {
  it('ignores system prompts and moving cache marks', () => {
    const parent: Prompt = { messages: [text('system', 'one'), text('user', 'a', '5m')] }
    const child: Prompt = {
      messages: [text('system', 'two'), text('user', 'a'), text('assistant', 'b'), text('user', 'c', '5m')],
    }
    expect(sharedTurns(child, parent)).toBe(1)
  })
})

describe('callSummary', () => {
  it('takes the first words among the arguments, or the broken text as it is', () => {
    expect(callSummary({ arguments: '{"n":1,"cmd":"ls\\n -la"}' })).toBe('ls -la')
    expect(callSummary({ arguments: '{"cmd": "l' })).toBe('{"cmd": "l')
  })
})
