import { describe, expect, it } from 'vitest'
import { formatBytes, formatDuration, formatShort, inputTokens, shortPlace, tokenRate } from './format'
import { axisFor, barOf, roundUp, settleAxis } from './waterfall'
import { phasesOf } from './phases'
import { textIn } from './frameText'
import { bodyOf, fieldsOf, parsePairs } from './providerForm'
import { makeRow } from './testRows'

describe('format', () => {
  it('writes unknown as a dash and never as 0', () => {
    expect([formatDuration(null), formatShort(null), formatBytes(undefined)]).toEqual(['–', '–', '–'])
    expect(inputTokens(makeRow({}))).toBeNull()
    expect(inputTokens(makeRow({ cache_read: 5 }))).toBe(5)
  })

  it('keeps three figures or fewer', () => {
    expect([8e6, 420e6, 4.2e9, 12.34e9, 125e9].map(formatDuration)).toEqual([
      '8 ms',
      '420 ms',
      '4.20 s',
      '12.3 s',
      '2 m 05 s',
    ])
    expect([950, 1234, 48_400, 999_600, 1_300_000].map(formatShort)).toEqual([
      '950',
      '1.2k',
      '48k',
      '1M',
      '1.3M',
    ])
    expect([999, 1500, 2_500_000].map(formatBytes)).toEqual(['999 B', '1.5 kB', '2.5 MB'])
  })

  it('names a place by file and line', () => {
    expect(['file:/a/b.yaml:3', 'file:c.yaml:1', 'edited', 'demo'].map(shortPlace)).toEqual([
      'b.yaml:3',
      'c.yaml:1',
      'edited',
      'demo',
    ])
  })

  it('gives no rate where the time is unknown or nothing', () => {
    const row = makeRow({ output: 100, first_token_ns: 1e9, last_token_ns: 3e9, duration_ns: 4e9 })
    expect(tokenRate(row)).toBe(50)
    expect(tokenRate({ ...row, output: null })).toBeNull()
    expect(tokenRate({ ...row, last_token_ns: 1e9 })).toBeNull()
  })
})

describe('waterfall', () => {
  it('takes a round axis that one long call does not flatten', () => {
    expect([1, 3, 7, 1200].map(roundUp)).toEqual([1, 5, 10, 2000])
    expect(axisFor([1e9, 2e9, 1.5e9, 90e9])).toBeLessThan(10e9)
    expect(axisFor([null])).toBe(1e9)
  })

  it('keeps its axis through small changes', () => {
    expect([settleAxis(10, 5), settleAxis(10, 20), settleAxis(10, 2)]).toEqual([10, 20, 2])
  })

  it('splits a bar into waiting, first token and stream, and cuts at the axis', () => {
    const times = { duration_ns: 4e9, first_byte_ns: 1e9, first_token_ns: 2e9 }
    expect(barOf(times, 4e9)).toEqual({ wait: 0.25, first: 0.25, stream: 0.5, isCut: false })
    expect(barOf(times, 2e9)).toMatchObject({ wait: 0.5, first: 0.5, stream: 0, isCut: true })
    expect(barOf({ duration_ns: null, first_byte_ns: null, first_token_ns: null }, 1e9)).toBeNull()
  })
})

describe('phasesOf', () => {
  it('leaves out what was not measured', () => {
    const row = makeRow({ first_byte_ns: 1e9, first_token_ns: 2e9, last_token_ns: 5e9, duration_ns: 6e9 })
    expect(phasesOf(row, null, 0).map((one) => one.name)).toEqual(['wait', 'firstToken', 'streaming', 'tail'])
    expect(phasesOf(makeRow({ duration_ns: 6e9 }), null, 0)).toEqual([])
  })
})

describe('textIn', () => {
  it('finds the text that each dialect streams', () => {
    const frames = [
      '{"choices":[{"delta":{"content":"a"}}]}',
      '{"type":"content_block_delta","delta":{"type":"text_delta","text":"b"}}',
      '{"type":"response.output_text.delta","delta":"c"}',
      '{"message":{"role":"assistant","content":"d"}}',
      '{"type":"response.function_call_arguments.delta","delta":"no"}',
      '[DONE]',
    ]
    expect(frames.map(textIn).join('')).toBe('abcd')
  })
})

describe('the form of a provider', () => {
  it('sends a key only when one was typed, and defaults only for what it speaks', () => {
    const fields = { ...fieldsOf(null), slug: 'x', baseUrl: 'http://x', credential: 'vault' as const }
    fields.defaults = ['ollama_chat', 'openai_chat']
    expect(bodyOf(fields, null)).toMatchObject({
      credential: null,
      default_for: ['openai_chat'],
      auth: { scheme: 'bearer', key_env: null },
    })
    expect(bodyOf({ ...fields, key: 'k' }, null).credential).toBe('k')
    expect(bodyOf({ ...fields, credential: 'client' }, null).auth).toBeNull()
  })

  it('reads headers a line each', () => {
    expect(parsePairs('a: 1\nno colon\nb:c:d', ':')).toEqual({ a: '1', b: 'c:d' })
  })
})
