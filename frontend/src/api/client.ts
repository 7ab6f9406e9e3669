/**
 * Every call of the API that the interface makes, one function each.
 *
 * Promise: a refusal is an `ApiError` that carries what the server said; an answer 401 leads to the login page.
 */
import type * as T from './types'

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly problem: T.Problem,
  ) {
    super(problem.message)
  }
}

type Params = Record<string, string | number | boolean | null | undefined>

export function apiUrl(path: string, params: Params = {}): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(params))
    if (value != null && value !== '') search.set(name, String(value))
  const text = search.toString()
  return `/api${path}${text ? `?${text}` : ''}`
}

/** `revision`: what was seen of the thing that is changed; the server refuses when it is another by now. */
async function send(
  method: string,
  url: string,
  body?: unknown,
  signal?: AbortSignal,
  revision?: string,
): Promise<Response> {
  const headers: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' }
  if (revision) headers['if-match'] = revision
  const response = await fetch(url, {
    method,
    headers,
    body: body === undefined ? null : JSON.stringify(body),
    signal: signal ?? null,
  })
  if (response.ok) return response
  if (response.status === 401) goToLogin()
  throw new ApiError(response.status, await problemOf(response))
}

async function problemOf(response: Response): Promise<T.Problem> {
  try {
    return ((await response.json()) as { error: T.Problem }).error
  } catch {
    return { code: 'unreadable', message: `${response.status} ${response.statusText || 'without a reason'}` }
  }
}

export function goToLogin() {
  location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`)
}

async function get<R>(path: string, params?: Params, signal?: AbortSignal): Promise<R> {
  return (await send('GET', apiUrl(path, params), undefined, signal)).json() as Promise<R>
}

async function act<R>(method: string, path: string, body?: unknown, revision?: string): Promise<R> {
  const response = await send(method, apiUrl(path), body, undefined, revision)
  return (response.status === 204 ? undefined : await response.json()) as R
}

const one = (id: string) => `/exchanges/${encodeURIComponent(id)}`
const provider = (slug: string) => `/providers/${encodeURIComponent(slug)}`
const route = (name: string) => `/routes/${encodeURIComponent(name)}`

export const listExchanges = (q: string, cursor: string | null, signal?: AbortSignal) =>
  get<T.Page>('/exchanges', { q, cursor, limit: 200 }, signal)
export const listChanges = (q: string, sinceSeq: number, signal?: AbortSignal) =>
  get<T.Changes>('/exchanges', { q, since_seq: sinceSeq, limit: 500 }, signal)
export const countExchanges = (q: string, signal?: AbortSignal) => get<T.Count>('/count', { q }, signal)
export const getFacets = (q: string, names: readonly string[], limit: number, signal?: AbortSignal) =>
  get<T.Facets>('/facets', { q, names: names.join(','), limit }, signal)
export const getTimeline = (
  q: string,
  startNs: number,
  endNs: number,
  buckets: number,
  signal?: AbortSignal,
) =>
  get<T.Timeline>(
    '/timeline',
    { q, start_ns: Math.round(startNs), end_ns: Math.round(endNs), buckets },
    signal,
  )
export const getQueryFields = () => get<T.QueryFields>('/query-fields')

export const getExchange = (id: string, signal?: AbortSignal) => get<T.Detail>(one(id), {}, signal)
export const getPrompt = (id: string, signal?: AbortSignal) =>
  get<T.Prompt>(`${one(id)}/request`, { as: 'canonical' }, signal)
export const getReply = (id: string, signal?: AbortSignal) =>
  get<T.Reply>(`${one(id)}/response`, { as: 'canonical' }, signal)
export const getFrames = (
  id: string,
  isUpstream: boolean,
  from: number,
  limit: number,
  signal?: AbortSignal,
) => get<T.StreamFrames>(`${one(id)}${isUpstream ? '/upstream' : ''}/frames`, { from, limit }, signal)
/** A body as the client sent or got it, or (`upstream/…`) as the provider got or sent it. */
export type Side = 'request' | 'response' | 'upstream/request' | 'upstream/response'
export const bodyUrl = (id: string, side: Side, as: 'raw' | 'decoded', download = false) =>
  apiUrl(`${one(id)}/${side}`, { as, download: download || null })
export async function getBodyText(
  id: string,
  side: Side,
  as: 'raw' | 'decoded' | 'canonical',
  signal?: AbortSignal,
) {
  return (await send('GET', apiUrl(`${one(id)}/${side}`, { as }), undefined, signal)).text()
}
export const streamUrl = (id: string) => apiUrl(`${one(id)}/stream`)
export const cancelExchange = (id: string) => act<{ is_found: boolean }>('POST', `${one(id)}/cancel`)

export type ExportFormat = 'json' | 'curl' | 'python' | 'typescript' | 'har'
export const exportUrl = (id: string, format: ExportFormat) =>
  apiUrl(`${one(id)}/export`, { format, download: true })
export async function exportText(id: string, format: ExportFormat) {
  return (await send('GET', apiUrl(`${one(id)}/export`, { format }))).text()
}
export async function exportMany(ids: string[], format: 'json' | 'jsonl' | 'har') {
  return (await send('POST', apiUrl('/exchanges/export'), { ids, format })).blob()
}

export const deleteExchange = (id: string) => act<T.Removal>('DELETE', one(id))
export async function deleteMatching(q: string) {
  const params = q ? { q } : { all: true }
  return (await send('DELETE', apiUrl('/exchanges', params))).json() as Promise<T.Removal>
}
export const restoreExchanges = (what: { ids: string[] } | { token: string }) =>
  act<{ count: number }>('POST', '/exchanges/restore', what)

export const listProviders = () => get<{ items: T.Provider[] }>('/providers')
export const createProvider = (body: T.NewProviderBody) => act<T.Provider>('POST', '/providers', body)
export const replaceProvider = (slug: string, body: T.ProviderBody) =>
  act<T.Provider>('PUT', provider(slug), body)
export const deleteProvider = (slug: string) => act<undefined>('DELETE', provider(slug))
export const listHealth = (signal?: AbortSignal) =>
  get<{ items: T.ProviderHealth[] }>('/providers/health', {}, signal)
export const testProvider = (slug: string, kind: T.Trial) =>
  act<T.ProviderCheck>('POST', `${provider(slug)}/test`, { kind })
export const listModels = (slug: string) => get<T.Models>(`${provider(slug)}/models`)
export const listLoadedModels = (slug: string) => get<T.LoadedModels>(`${provider(slug)}/loaded`)
export const unloadModel = (slug: string, model: string) =>
  act<{ model: string }>('POST', `${provider(slug)}/unload`, { model })

export const listRoutes = () => get<{ items: T.RouteView[] }>('/routes')
export const createRoute = (body: T.RouteBody) => act<T.RouteView>('POST', '/routes', body)
export const replaceRoute = (name: string, body: T.RouteBody, revision?: string) =>
  act<T.RouteView>('PUT', route(name), body, revision)
/** Gives the route that is gone: `replaceRoute` with it brings it back. */
export const deleteRoute = (name: string) => act<T.RouteView>('DELETE', route(name))
export async function explainRoute(body: T.ExplainBody, signal?: AbortSignal) {
  return (await send('POST', apiUrl('/routes/explain'), body, signal)).json() as Promise<T.Explanation>
}

export const importRoutes = (text: string, save: boolean) =>
  act<T.Imported>('POST', '/routes/import', { text, save })

export const getStatus = (signal?: AbortSignal) => get<T.Status>('/status', {}, signal)
export const getSettings = () => get<T.Settings>('/settings')
export const replaceSettings = (retention: T.Retention) => act<T.Settings>('PUT', '/settings', { retention })
export const setPanic = (on: boolean) => act<{ is_panicking: boolean }>('POST', '/panic', { on })
export const startReparse = () => act<{ is_running: boolean }>('POST', '/reparse', {})
export const getConnect = () => get<T.Connect>('/connect')
export const sendTestRequest = (body: T.FirstRequestBody) =>
  act<T.FirstRequest>('POST', '/test-request', body)
export const getSession = () => get<T.Session>('/session')
export const logOut = () => act<undefined>('POST', '/logout')
