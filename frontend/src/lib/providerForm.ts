/** Between a provider as the API shows it and the fields of its form. Pure. */
import type { Provider, ProviderBody } from '@/api/types'
import type { Dialect } from './dialects'

export interface ProviderFields {
  slug: string
  name: string
  baseUrl: string
  dialects: Dialect[]
  defaults: Dialect[]
  credential: 'client' | 'env' | 'vault' | 'aws'
  scheme: 'bearer' | 'header'
  headerName: string
  keyPrefix: string
  region: string
  profile: string
  service: string
  envName: string
  key: string
  headers: string
  query: string
  form: 'plain' | 'azure'
  proxy: string
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
    credential:
      auth?.scheme === 'sigv4' ? 'aws' : auth?.key_env ? 'env' : auth?.is_in_vault ? 'vault' : 'client',
    scheme: auth?.scheme === 'header' ? 'header' : 'bearer',
    headerName: auth?.name ?? 'x-api-key',
    keyPrefix: auth?.prefix ?? '',
    region: auth?.region ?? '',
    profile: auth?.profile ?? '',
    service: auth?.service ?? 'bedrock',
    envName: auth?.key_env ?? '',
    key: '',
    headers: Object.entries(provider?.headers ?? {})
      .map(([name, value]) => `${name}: ${value}`)
      .join('\n'),
    query: Object.entries(provider?.query ?? {})
      .map(([name, value]) => `${name}=${value}`)
      .join('\n'),
    form: provider?.form ?? 'plain',
    proxy: provider?.proxy ?? '',
    websocket: provider?.websocket ?? 'auto',
    verifyTls: provider?.verify_tls ?? true,
    timeouts: { ...(provider?.timeouts ?? { connect: 10, first_byte: 900, idle: 600, client_write: 120 }) },
  }
}

function authOf(fields: ProviderFields): ProviderBody['auth'] {
  if (fields.credential === 'client') return null
  if (fields.credential === 'aws')
    return {
      scheme: 'sigv4',
      region: fields.region.trim() || null,
      profile: fields.profile.trim() || null,
      service: fields.service.trim() || 'bedrock',
    }
  const isHeader = fields.scheme === 'header'
  return {
    scheme: fields.scheme,
    name: isHeader ? fields.headerName.trim() : null,
    prefix: isHeader ? fields.keyPrefix.trim() || null : null,
    key_env: fields.credential === 'env' ? fields.envName.trim() : null,
  }
}

/** What the form does not show (CA file, …) is kept as it was. */
export function bodyOf(fields: ProviderFields, before: Provider | null): ProviderBody {
  return {
    name: fields.name.trim(),
    base_url: fields.baseUrl.trim(),
    dialects: fields.dialects,
    default_for: fields.defaults.filter((one) => fields.dialects.includes(one)),
    auth: authOf(fields),
    credential: fields.credential === 'vault' && fields.key ? fields.key : null,
    headers: parsePairs(fields.headers, ':'),
    query: parsePairs(fields.query, '='),
    form: fields.form,
    proxy: fields.proxy.trim() || null,
    timeouts: fields.timeouts,
    websocket: fields.websocket,
    strip_v1: before?.strip_v1 ?? false,
    ca_file: before?.ca_file ?? null,
    verify_tls: fields.verifyTls,
  }
}

/** One pair a line; a line without the separator says nothing. */
export function parsePairs(text: string, separator: ':' | '='): Record<string, string> {
  const pairs: Record<string, string> = {}
  for (const line of text.split('\n')) {
    const place = line.indexOf(separator)
    if (place > 0) pairs[line.slice(0, place).trim()] = line.slice(place + 1).trim()
  }
  return pairs
}
