/** The dialects' names, and the smallest request of each. */
export const DIALECTS = [
  'openai_chat',
  'openai_responses',
  'anthropic_messages',
  'ollama_chat',
  'gemini_generate',
  'bedrock_invoke',
  'bedrock_converse',
] as const
export type Dialect = (typeof DIALECTS)[number]

/** A body that says one thing to a model; where the path names the model, the body does not. */
export function sampleBody(dialect: Dialect, model: string, text: string): unknown {
  const messages = [{ role: 'user', content: text }]
  switch (dialect) {
    case 'openai_chat':
    case 'ollama_chat':
      return { model, messages }
    case 'openai_responses':
      return { model, input: text }
    case 'anthropic_messages':
      return { model, max_tokens: 1024, messages }
    case 'gemini_generate':
      return { contents: [{ role: 'user', parts: [{ text }] }] }
    case 'bedrock_invoke':
      return { anthropic_version: 'bedrock-2023-05-31', max_tokens: 1024, messages }
    case 'bedrock_converse':
      return { messages: [{ role: 'user', content: [{ text }] }] }
  }
}
