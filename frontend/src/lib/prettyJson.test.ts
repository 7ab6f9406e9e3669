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

it('sorts members and leaves lists as they are', () => {
  expect(prettyJson('{"b":[{"z":2,"y":1},3,1],"a":1.50}', 'sorted')).toBe(`{
  "a": 1.50,
  "b": [
    {
      "y": 1,
      "z": 2
    },
    3,
    1
  ]
}`)
})

it('agrees with JSON.stringify where numbers are plain', () => {
  const value = { messages: [{ role: 'user', content: 'é\n"x"' }, null, true], deep: { empty: [[], {}] } }
  expect(prettyJson(JSON.stringify(value))).toBe(JSON.stringify(value, null, 2))
})

it('leaves alone what is not JSON', () => {
  for (const text of ['', 'data: {"a":1}\n\n', '{"a":', '  plain ']) expect(prettyJson(text)).toBe(text)
})
