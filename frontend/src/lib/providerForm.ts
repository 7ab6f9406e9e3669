/** Between a provider as the API shows it and the fields of its form. Pure. */
import type { Provider, ProviderBody } from '@/api/types'

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

export interface ProviderFields {
  slug: string
  name: string
  baseUrl: string
  dialects: Dialect[]
  defaults: Dialect[]
  credential: 'client' | 'env' | 'vault'
  scheme: 'bearer' | 'header'
  headerName: string
  envName: string
  key: string
  headers: string
  websocket: 'auto' | 'no'
  verifyTls: boolean
  timeouts: { connect: number; first_byte: number; idle: number; client_write: number }
}

export function fieldsOf(provider: Provider | null): ProviderFields {
  const auth = provider?.auth
  return {
    slug: provider?.slug ?? '',
    name: provider?.name ?? '',
    baseUrl: provider?.base_url ?? '',
    dialects: [...(provider?.dialects ?? ['openai_chat' as const])],
    defaults: [...(provider?.default_for ?? [])],
    credential: auth?.key_env ? 'env' : auth?.is_in_vault ? 'vault' : 'client',
    scheme: auth?.scheme === 'header' ? 'header' : 'bearer',
    headerName: auth?.name ?? 'x-api-key',
    envName: auth?.key_env ?? '',
    key: '',
    headers: Object.entries(provider?.headers ?? {})
      .map(([name, value]) => `${name}: ${value}`)
      .join('\n'),
    websocket: provider?.websocket ?? 'auto',
    verifyTls: provider?.verify_tls ?? true,
    timeouts: { ...(provider?.timeouts ?? { connect: 10, first_byte: 900, idle: 600, client_write: 120 }) },
  }
}

/** What the form does not show (query, CA file, …) is kept as it was. */
export function bodyOf(fields: ProviderFields, before: Provider | null): ProviderBody {
  const auth =
    fields.credential === 'client'
      ? null
      : {
          scheme: fields.scheme,
          name: fields.scheme === 'header' ? fields.headerName.trim() : null,
          key_env: fields.credential === 'env' ? fields.envName.trim() : null,
        }
  return {
    name: fields.name.trim(),
    base_url: fields.baseUrl.trim(),
    dialects: fields.dialects,
    default_for: fields.defaults.filter((one) => fields.dialects.includes(one)),
    auth,
    credential: fields.credential === 'vault' && fields.key ? fields.key : null,
    headers: parseHeaders(fields.headers),
    query: before?.query ?? {},
    timeouts: fields.timeouts,
    websocket: fields.websocket,
    strip_v1: before?.strip_v1 ?? false,
    ca_file: before?.ca_file ?? null,
    verify_tls: fields.verifyTls,
  }
}

export function parseHeaders(text: string): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) headers[line.slice(0, colon).trim()] = line.slice(colon + 1).trim()
  }
  return headers
}
