/**
 * JSON text with a line for each member, and nothing else changed: order, number spelling and repeated keys stay as
 * they are, as a comparison of two bodies needs it. What is not JSON is given back as it is. Pure.
 */

export function prettyJson(text: string): string {
  const source = text.trim()
  if (!/^[[{]/.test(source)) return text
  try {
    JSON.parse(source)
  } catch {
    return text
  }
  let out = ''
  let depth = 0
  const tokens = /"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g
  const found = source.match(tokens) ?? []
  for (const [at, token] of found.entries()) {
    const next = found[at + 1]
    if (token === '{' || token === '[') {
      out += token
      if (next !== '}' && next !== ']') out += newLine(++depth)
    } else if (token === '}' || token === ']') {
      const before = found[at - 1]
      if (before !== '{' && before !== '[') out += newLine(--depth)
      out += token
    } else if (token === ',') out += `,${newLine(depth)}`
    else if (token === ':') out += ': '
    else out += token
  }
  return out
}

const newLine = (depth: number) => `\n${'  '.repeat(depth)}`
