/** Between a route as the API shows it and the fields of its form; and a route in few words. Pure. */
import type { RouteBody, RouteView } from '@/api/types'
import { t } from '@/strings/all'
import { DIALECTS, type Dialect } from './dialects'

export const RETRY_REASONS = ['connect', 'timeout', '429', '500', '502', '503', '504', '529'] as const

export interface TargetFields {
  provider: string
  /** Empty: as the provider speaks. */
  dialect: Dialect | ''
  /** Empty: as the client asked. */
  model: string
}

export interface RouteFields {
  name: string
  prefix: string
  model: string
  priority: number
  isActive: boolean
  targets: TargetFields[]
  replace: { from: string; to: string }[]
  append: string
  hasProgress: boolean
  attempts: number
  retryOn: string[]
  maxWait: number
}

export function fieldsOf(route: RouteView | null): RouteFields {
  return {
    name: route?.name ?? '',
    prefix: route?.prefix ?? '',
    model: route?.model ?? '',
    priority: route?.priority ?? 50,
    isActive: route?.is_active ?? true,
    targets: (route?.targets ?? []).map((one) => ({
      provider: one.provider,
      dialect: DIALECTS.find((name) => name === one.dialect) ?? '',
      model: one.model ?? '',
    })),
    replace: (route?.system.replace ?? []).map((one) => ({ from: one.from, to: one.to })),
    append: route?.system.append ?? '',
    hasProgress: route?.system.progress ?? false,
    attempts: route?.retry.attempts ?? 1,
    retryOn: (route?.retry.on ?? RETRY_REASONS).map(String),
    maxWait: route?.retry.max_wait ?? 20,
  }
}

/** A body that leaves nothing to defaults. */
type WholeRoute = RouteBody & Required<Pick<RouteBody, 'system' | 'targets' | 'retry'>>

export function bodyOf(fields: RouteFields): WholeRoute {
  return {
    name: fields.name.trim(),
    prefix: fields.prefix.trim() || null,
    model: fields.model.trim() || null,
    priority: Math.round(fields.priority),
    is_active: fields.isActive,
    targets: fields.targets.map((one) => ({
      provider: one.provider,
      dialect: one.dialect || null,
      model: one.model.trim() || null,
    })),
    system: {
      replace: fields.replace.filter((one) => one.from !== ''),
      append: fields.append,
      progress: fields.hasProgress,
    },
    retry: {
      attempts: Math.round(fields.attempts),
      on: fields.retryOn.map((one) => (one === 'connect' || one === 'timeout' ? one : Number(one))),
      max_wait: fields.maxWait,
    },
  }
}

/** A route that is there, as the body that would save it. */
export const bodyOfRoute = (route: RouteView): WholeRoute => bodyOf(fieldsOf(route))

/** What a route does besides choosing where to, a few words each. */
export function changesOf(route: RouteView): string[] {
  const words = t.routes.changes
  const { replace, append, progress } = route.system
  const found: string[] = []
  if (replace.length) found.push(words.replaced(replace.length))
  if (append) found.push(words.appended)
  if (progress) found.push(words.progress)
  if (route.targets.length > 1) found.push(words.fallbacks(route.targets.length - 1))
  if (route.retry.attempts > 1) found.push(words.tries(route.retry.attempts))
  return found
}
