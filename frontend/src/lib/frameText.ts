/** The text that a frame adds, for playing a stream again: looked for where the dialects put it. Display only. */

interface Wire {
  choices?: { delta?: { content?: unknown } }[]
  delta?: unknown
  message?: { content?: unknown }
  response?: unknown
  type?: string
}

export function textIn(data: string): string {
  try {
    const json = JSON.parse(data) as Wire
    const found = json.choices?.[0]?.delta?.content ?? deltaOf(json) ?? json.message?.content ?? json.response
    return typeof found === 'string' ? found : ''
  } catch {
    return '' // `[DONE]`, or a frame that was cut for display.
  }
}

function deltaOf({ delta, type }: Wire): unknown {
  if (typeof delta === 'string')
    return type?.includes('output_text') || type?.includes('refusal') ? delta : undefined
  return (delta as { text?: unknown } | undefined)?.text
}
