import { expect, it } from 'vitest'
import { prettyJson } from './prettyJson'

it('breaks lines and changes nothing else', () => {
  expect(prettyJson('{"b":1.0,"a":[],"c":{},"a":[1,{"x":"a, [b] {c}: \\"d\\""}],"n":1e400}')).toBe(`{
  "b": 1.0,
  "a": [],
  "c": {},
  "a": [
    1,
    {
      "x": "a, [b] {c}: \\"d\\""
    }
  ],
  "n": 1e400
}`)
})

it('agrees with JSON.stringify where numbers are plain', () => {
  const value = { messages: [{ role: 'user', content: 'é\n"x"' }, null, true], deep: { empty: [[], {}] } }
  expect(prettyJson(JSON.stringify(value))).toBe(JSON.stringify(value, null, 2))
})

it('leaves alone what is not JSON', () => {
  for (const text of ['', 'data: {"a":1}\n\n', '{"a":', '  plain ']) expect(prettyJson(text)).toBe(text)
})
