/**
 * Lay out a prompt and its reply as the blocks that the Messages tab shows.
 *
 * A tool result is joined to its call; a message is `isNew` when the parent exchange's request did not hold it;
 * everything up to the last cache mark is `isCached`. Pure.
 */
import type { Message, Part, Prompt, ToolCall, ToolResult } from '@/api/types'

export interface Block {
  key: string
  part: Part
  /** For a tool call: its result, when a later message holds it. */
  result?: ToolResult
  isCached: boolean
  /** A cache mark ends here. */
  hasMark: boolean
}

export interface Turn {
  key: string
  role: Message['role'] | 'reply'
  name: string | null
  blocks: Block[]
  isNew: boolean
  index: number
}

export interface Thread {
  system: Turn[]
  turns: Turn[]
}

/** `knownTurns`: how many turns the parent exchange already held; null when there is no parent. */
export function layOut(prompt: Prompt, knownTurns: number | null): Thread {
  const messages = prompt.messages ?? []
  const results = findResults(messages)
  const lastMark = findLastMark(messages)
  const fresh = freshParts(messages, knownTurns)
  const thread: Thread = { system: [], turns: [] }
  messages.forEach((message, index) => {
    const place = isTurn(message) ? index : null
    const blocks = blocksOf(message, index, results, lastMark)
    if (!blocks.length && message.parts?.length) return
    const isNew =
      fresh === null || blocks.some((one) => fresh.has(one.part) || (one.result && fresh.has(one.result)))
    const turn = { key: String(index), role: message.role, name: message.name ?? null, blocks, isNew, index }
    if (place == null && thread.turns.length === 0) thread.system.push(turn)
    else thread.turns.push(turn)
  })
  return thread
}

/** The parts of turns past the first `knownTurns`; null when all are fresh. */
function freshParts(messages: Message[], knownTurns: number | null): Set<Part> | null {
  if (knownTurns == null) return null
  return new Set(
    messages
      .filter(isTurn)
      .slice(knownTurns)
      .flatMap((message) => message.parts ?? []),
  )
}

function blocksOf(
  message: Message,
  index: number,
  results: Map<string, ToolResult>,
  lastMark: [number, number] | null,
): Block[] {
  const blocks: Block[] = []
  ;(message.parts ?? []).forEach((part, place) => {
    if (part.type === 'tool_result' && part.call_id && results.get(part.call_id) === part) return
    const result = part.type === 'tool_call' && part.id ? results.get(part.id) : undefined
    blocks.push({
      key: `${index}.${place}`,
      part,
      result,
      isCached: isUpTo(index, place, lastMark),
      hasMark: part.cache != null,
    })
  })
  return blocks
}

/**
 * How many leading turns two prompts share, compared by what they say and not by their cache marks. System
 * prompts are left out: clients put rotating lines there.
 */
export function sharedTurns(prompt: Prompt, parent: Prompt): number {
  const mine = (prompt.messages ?? []).filter(isTurn)
  const theirs = (parent.messages ?? []).filter(isTurn)
  let shared = 0
  while (shared < mine.length && shared < theirs.length && isSame(mine[shared]!, theirs[shared]!)) shared++
  return shared
}

function isTurn(message: Message): boolean {
  return message.role !== 'system' && message.role !== 'developer'
}

function isSame(a: Message, b: Message): boolean {
  return a.role === b.role && JSON.stringify(bare(a)) === JSON.stringify(bare(b))
}

function bare(message: Message): unknown {
  return (message.parts ?? []).map((part) => ({ ...part, cache: undefined, extra: undefined }))
}

/** Results by the id of a call that stands before them; a result without its call stays a block of its own. */
function findResults(messages: Message[]): Map<string, ToolResult> {
  const called = new Set<string>()
  const found = new Map<string, ToolResult>()
  for (const message of messages)
    for (const part of message.parts ?? []) {
      if (part.type === 'tool_call' && part.id) called.add(part.id)
      if (part.type === 'tool_result' && part.call_id && called.has(part.call_id))
        found.set(part.call_id, part)
    }
  return found
}

function findLastMark(messages: Message[]): [number, number] | null {
  for (let index = messages.length - 1; index >= 0; index--) {
    const parts = messages[index]!.parts ?? []
    for (let place = parts.length - 1; place >= 0; place--)
      if (parts[place]!.cache != null) return [index, place]
  }
  return null
}

function isUpTo(index: number, place: number, mark: [number, number] | null): boolean {
  return mark != null && (index < mark[0] || (index === mark[0] && place <= mark[1]))
}

/** Arguments as indented JSON, or as they came when they are none. */
export function prettyArguments(call: Pick<ToolCall, 'arguments'>): string {
  try {
    return JSON.stringify(JSON.parse(call.arguments ?? ''), null, 2)
  } catch {
    return call.arguments ?? ''
  }
}

/** One line that says what a call is about: its first short string, such as a command or a path. */
export function callSummary(call: Pick<ToolCall, 'arguments'>): string {
  try {
    const values = Object.values(JSON.parse(call.arguments ?? '') as Record<string, unknown>)
    const first = values.find((value) => typeof value === 'string' && value.trim())
    return typeof first === 'string' ? first.replace(/\s+/g, ' ').slice(0, 140) : ''
  } catch {
    return (call.arguments ?? '').replace(/\s+/g, ' ').slice(0, 140)
  }
}

/** ≈ tokens of a block, at four signs a token; always shown with ≈. */
export function estimateTokens(part: Part): number | null {
  if (part.type === 'text' || part.type === 'refusal') return Math.ceil(part.text.length / 4)
  if (part.type === 'reasoning')
    return Math.ceil(((part.text ?? '') + (part.summary ?? '')).length / 4) || null
  if (part.type === 'tool_call') return Math.ceil((part.arguments ?? '').length / 4) + 8
  if (part.type === 'tool_result')
    return (part.parts ?? []).reduce((sum, one) => sum + (estimateTokens(one) ?? 0), 0) || null
  return null
}
