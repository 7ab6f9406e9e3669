/**
 * JSON text with a line for each member, as a comparison of two bodies needs it: the spelling of numbers and strings
 * and repeated keys stay as they are, and so does the order unless it is asked to be that of the keys. What is not
 * JSON is given back as it is. Pure.
 */

const TOKENS = /"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g

export function prettyJson(text: string, order: 'kept' | 'sorted' = 'kept'): string {
  const source = text.trim()
  if (!/^[[{]/.test(source)) return text
  try {
    JSON.parse(source)
  } catch {
    return text
  }
  return new Writer(source.match(TOKENS) ?? [], order === 'sorted').value('')
}

/** Reads the tokens of valid JSON once, and writes as it goes; an object's members may change places. */
class Writer {
  private at = 0

  constructor(
    private tokens: readonly string[],
    private isSorted: boolean,
  ) {}

  value(indent: string): string {
    const token = this.next()
    if (token === '{') return this.members(indent)
    if (token === '[') return this.elements(indent)
    return token
  }

  private members(indent: string): string {
    const found: { key: string; text: string }[] = []
    for (let token = this.next(); token !== '}'; token = this.next()) {
      if (token === ',') continue
      this.next()
      found.push({ key: token, text: `${token}: ${this.value(`${indent}  `)}` })
    }
    if (this.isSorted) found.sort((one, other) => (one.key < other.key ? -1 : one.key > other.key ? 1 : 0))
    return enclosed(
      '{',
      '}',
      found.map((one) => one.text),
      indent,
    )
  }

  private elements(indent: string): string {
    const found: string[] = []
    while (this.tokens[this.at] !== ']') {
      if (this.tokens[this.at] === ',') this.at++
      else found.push(this.value(`${indent}  `))
    }
    this.at++
    return enclosed('[', ']', found, indent)
  }

  private next(): string {
    return this.tokens[this.at++] ?? '}'
  }
}

function enclosed(open: string, close: string, parts: readonly string[], indent: string): string {
  if (!parts.length) return open + close
  return `${open}\n${parts.map((part) => `${indent}  ${part}`).join(',\n')}\n${indent}${close}`
}
