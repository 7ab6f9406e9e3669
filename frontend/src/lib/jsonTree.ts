/**
 * JSON as a list of lines that can be folded, for a virtual list.
 *
 * `index` walks a value once into flat nodes; `visible` gives the lines in sight for a set of folded nodes. Strings
 * longer than `CUT` are cut in the line; the whole is found by `at`. Pure, so it runs in a worker for large bodies.
 */

export const CUT = 2000

export type NodeKind = 'object' | 'array' | 'string' | 'number' | 'word'

export interface JsonNode {
  depth: number
  /** Key in an object or place in an array; null at the root. */
  key: string | number | null
  kind: NodeKind
  /** What a leaf says. */
  text: string
  /** Children of a branch. */
  count: number
  /** Number of the first node after this one's children. */
  next: number
  isCut: boolean
  parent: number
}

export function index(value: unknown): JsonNode[] {
  const nodes: JsonNode[] = []
  walk(nodes, value, null, 0, -1)
  return nodes
}

function walk(
  nodes: JsonNode[],
  value: unknown,
  key: string | number | null,
  depth: number,
  parent: number,
): void {
  const mine = nodes.length
  const node: JsonNode = { depth, key, kind: 'word', text: '', count: 0, next: 0, isCut: false, parent }
  nodes.push(node)
  if (Array.isArray(value)) {
    node.kind = 'array'
    node.count = value.length
    value.forEach((child, place) => walk(nodes, child, place, depth + 1, mine))
  } else if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value)
    node.kind = 'object'
    node.count = entries.length
    for (const [name, child] of entries) walk(nodes, child, name, depth + 1, mine)
  } else if (typeof value === 'string') {
    node.kind = 'string'
    node.isCut = value.length > CUT
    node.text = JSON.stringify(node.isCut ? value.slice(0, CUT) : value)
  } else {
    node.kind = typeof value === 'number' ? 'number' : 'word'
    node.text = String(value)
  }
  node.next = nodes.length
}

/** Numbers of the nodes in sight. */
export function visible(nodes: readonly JsonNode[], folded: ReadonlySet<number>): number[] {
  const lines: number[] = []
  let place = 0
  while (place < nodes.length) {
    lines.push(place)
    const node = nodes[place] as JsonNode
    place = folded.has(place) ? node.next : place + 1
  }
  return lines
}

/** What to fold at first: branches below `depth`, and long lists of messages' inner parts. */
export function foldedAt(nodes: readonly JsonNode[], depth: number): Set<number> {
  const folded = new Set<number>()
  nodes.forEach((node, place) => {
    if (node.count > 0 && node.depth >= depth) folded.add(place)
  })
  return folded
}

/** Keys from the root to a node. */
export function pathOf(nodes: readonly JsonNode[], place: number): (string | number)[] {
  const path: (string | number)[] = []
  for (let at = place; at > 0; at = (nodes[at] as JsonNode).parent)
    path.unshift((nodes[at] as JsonNode).key as string | number)
  return path
}

export function at(value: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (inner, key) => (inner as Record<string | number, unknown> | undefined)?.[key],
    value,
  )
}

export function pathText(path: readonly (string | number)[]): string {
  return (
    '$' +
    path
      .map((key) =>
        typeof key === 'number' ? `[${key}]` : /^\w+$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`,
      )
      .join('')
  )
}

export interface JsonAnswer {
  nodes: JsonNode[] | null
  pretty: string | null
  failure: string | null
}

export function readJson(text: string): JsonAnswer {
  try {
    const value: unknown = JSON.parse(text)
    return { nodes: index(value), pretty: JSON.stringify(value, null, 2), failure: null }
  } catch (error) {
    return { nodes: null, pretty: null, failure: String(error) }
  }
}
