import { describe, expect, it, vi } from 'vitest'
import { KeyMatcher, type Binding } from './keys'
import { hasTerm, makeTerm, replaceField, termsOf, wordAt, withoutTerm, withTerm } from './query'
import { SseParser, type SseEvent } from './sse'
import { at, foldedAt, index, pathOf, pathText, visible } from './jsonTree'
import { renderMarkdown, splitTail } from './markdown'

const press = (key: string, options: KeyboardEventInit = {}) =>
  new KeyboardEvent('keydown', { key, ...options })

describe('KeyMatcher', () => {
  const bind = (...keys: string[]): Binding[] => keys.map((one) => ({ keys: one, run: vi.fn() }))

  it('completes sequences, and forgets them after a second', () => {
    let now = 0
    const matcher = new KeyMatcher(() => now)
    const bindings = bind('y c', 'c', 'H', 'mod+k')
    expect(matcher.match(press('y'), bindings)).toBeNull()
    expect(matcher.match(press('c'), bindings)?.keys).toBe('y c')
    matcher.match(press('y'), bindings)
    now += 5000
    expect(matcher.match(press('c'), bindings)?.keys).toBe('c')
    expect(matcher.match(press('H', { shiftKey: true }), bindings)?.keys).toBe('H')
    expect(matcher.match(press('k', { ctrlKey: true }), bindings)?.keys).toBe('mod+k')
  })

  it('fires nothing while somebody types, but mod keys', () => {
    const input = document.createElement('input')
    document.body.append(input)
    const matcher = new KeyMatcher(() => 0)
    const seen: (string | undefined)[] = []
    input.addEventListener('keydown', (event) => seen.push(matcher.match(event, bind('j', 'mod+k'))?.keys))
    input.dispatchEvent(press('j'))
    input.dispatchEvent(press('k', { ctrlKey: true }))
    expect(seen).toEqual([undefined, 'mod+k'])
  })

  it('prefers what was registered later', () => {
    const [list, page] = bind('Escape', 'Escape') as [Binding, Binding]
    expect(new KeyMatcher(() => 0).match(press('Escape'), [list, page])).toBe(page)
  })
})

describe('query text', () => {
  it('splits at spaces outside quotes', () => {
    expect(termsOf('model:a (x OR "b c") -tag:"d e"').map((one) => one.text)).toEqual([
      'model:a',
      'x',
      'OR',
      '"b c"',
      '-tag:"d e"',
    ])
  })

  it('knows the word under the caret', () => {
    expect(wordAt('model:gpt-4o,clau', 17)).toMatchObject({
      field: 'model',
      value: 'clau',
      start: 13,
      end: 17,
    })
    expect(wordAt('-sta', 4)).toMatchObject({ field: null, value: 'sta', start: 1, isNegated: true })
    expect(wordAt('a  b', 2)).toMatchObject({ start: 2, end: 2, value: '' })
  })

  it('adds a term once, in place of its opposite, and takes it out', () => {
    expect(withTerm('a -model:x', makeTerm('model', 'x'))).toBe('a model:x')
    expect(withTerm('model:x', 'model:x')).toBe('model:x')
    expect(withoutTerm('a model:x b', 'model:x')).toBe('a b')
    expect(hasTerm('tag:"a b"', makeTerm('tag', 'a b'))).toBe(true)
    expect(replaceField('x since:1h', ['since', 'until'], ['since:2h'])).toBe('x since:2h')
  })
})

describe('SseParser', () => {
  function parse(...pieces: string[]): SseEvent[] {
    const events: SseEvent[] = []
    const parser = new SseParser((event) => events.push(event))
    pieces.forEach((piece) => parser.feed(piece))
    return events
  }

  it('gives the same events however the text is cut', () => {
    const text = ': hi\r\nid: 1\r\nevent: a\r\ndata: x\r\ndata: y\r\n\r\nid: 2\ndata:z\u2028z\n\n'
    const whole = parse(text)
    expect(whole).toEqual([
      { id: '1', type: 'a', data: 'x\ny' },
      { id: '2', type: 'message', data: 'z\u2028z' },
    ])
    expect(parse(...text)).toEqual(whole)
  })

  it('gives nothing for an event that is not ended', () => {
    expect(parse('data: x\n')).toEqual([])
  })
})

describe('jsonTree', () => {
  const value = { a: [1, { b: 'x' }], c: null }

  it('walks once and folds by numbers', () => {
    const nodes = index(value)
    expect(nodes.map((one) => one.key)).toEqual([null, 'a', 0, 1, 'b', 'c'])
    expect(visible(nodes, new Set([1]))).toEqual([0, 1, 5])
    expect(visible(nodes, foldedAt(nodes, 0))).toEqual([0])
  })

  it('names and finds a node by its path', () => {
    const nodes = index(value)
    expect(pathText(pathOf(nodes, 4))).toBe('$.a[1].b')
    expect(at(value, pathOf(nodes, 4))).toBe('x')
  })

  it('cuts long strings in the line', () => {
    expect(index('x'.repeat(5000))[0]).toMatchObject({ isCut: true })
  })
})

describe('markdown', () => {
  it('shows HTML as text, fetches no image and leaves no way back in links', () => {
    const html = renderMarkdown(
      '<script>x</script> ![a](http://evil/x.png) [b](javascript:alert(1)) [c](https://ok)',
    )
    expect(html).not.toMatch(/<script|<img|href="javascript/)
    expect(html).toContain('rel="noreferrer noopener nofollow"')
  })

  it('cuts a growing text before its last block, never inside a fence', () => {
    expect(splitTail('one\n\ntwo')).toEqual(['one', '\n\ntwo'])
    expect(splitTail('one\n\n```\na\n\nb')).toEqual(['one\n\n', '```\na\n\nb'])
  })
})
