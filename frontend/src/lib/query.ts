/**
 * The query text as the query bar needs it: its terms, the word under the caret, terms added and taken out.
 *
 * The server alone decides what a query means and whether it is valid; here it is only text. Pure.
 */

export interface Term {
  text: string
  start: number
  end: number
}

export interface Word {
  /** From here to `end` is what a completion replaces. */
  start: number
  end: number
  isNegated: boolean
  field: string | null
  value: string
}

/** Terms split at spaces and parentheses outside quotes. */
export function termsOf(query: string): Term[] {
  const terms: Term[] = []
  const pattern = /(?:[^\s()"]|"(?:[^"\\]|\\.)*"?)+/g
  for (const match of query.matchAll(pattern))
    terms.push({ text: match[0], start: match.index, end: match.index + match[0].length })
  return terms
}

/** What is being typed at the caret. After a comma the next value begins. */
export function wordAt(query: string, caret: number): Word {
  const term = termsOf(query).find((one) => one.start <= caret && caret <= one.end)
  if (!term) return { start: caret, end: caret, isNegated: false, field: null, value: '' }
  const before = query.slice(term.start, caret)
  const isNegated = before.startsWith('-')
  const body = isNegated ? before.slice(1) : before
  const colon = body.indexOf(':')
  if (colon < 0)
    return { start: term.start + (isNegated ? 1 : 0), end: term.end, isNegated, field: null, value: body }
  const valueStart = term.start + (isNegated ? 1 : 0) + colon + 1
  const comma = query.slice(valueStart, caret).lastIndexOf(',')
  const start = valueStart + comma + 1
  const rest = query.slice(caret, term.end).indexOf(',')
  return {
    start,
    end: rest < 0 ? term.end : caret + rest,
    isNegated,
    field: body.slice(0, colon),
    value: query.slice(start, caret).replace(/"/g, ''),
  }
}

export function quoteValue(value: string): string {
  return /^[^\s(),":]+$/.test(value) ? value : `"${value.replace(/(["\\])/g, '\\$1')}"`
}

export function makeTerm(field: string, value: string, isNegated = false): string {
  return `${isNegated ? '-' : ''}${field}:${quoteValue(value)}`
}

/** Put a term at the end, in place of its opposite; a term that is there already stays once. */
export function withTerm(query: string, term: string): string {
  const opposite = term.startsWith('-') ? term.slice(1) : `-${term}`
  const without = withoutTerm(query, opposite)
  if (termsOf(without).some((one) => one.text === term)) return without
  return `${without} ${term}`.trim()
}

export function withoutTerm(query: string, term: string): string {
  const found = termsOf(query).find((one) => one.text === term)
  if (!found) return query
  return (query.slice(0, found.start) + query.slice(found.end)).replace(/\s+/g, ' ').trim()
}

export function hasTerm(query: string, term: string): boolean {
  return termsOf(query).some((one) => one.text === term)
}

/** Put a term in place of all earlier ones of its field, such as the time range. */
export function replaceField(query: string, fields: readonly string[], terms: readonly string[]): string {
  const kept = termsOf(query)
    .map((one) => one.text)
    .filter((text) => !fields.some((field) => text.startsWith(`${field}:`)))
  return [...kept, ...terms].join(' ')
}
