import { describe, expect, it } from 'vitest'
import type { RouteView } from '@/api/types'
import { DIALECTS, sampleBody } from './dialects'
import { bodyOf, bodyOfRoute, changesOf, fieldsOf } from './routeForm'
import { compareByPattern, moveTo, type Ranked } from './routeOrder'

const ROUTE: RouteView = {
  name: 'fast',
  prefix: '/work',
  model: 'gpt-4*',
  priority: 40,
  is_active: true,
  system: { replace: [{ from: 'You are', to: 'Be' }], append: 'Be brief.', progress: true },
  targets: [
    { provider: 'anthropic', dialect: 'anthropic_messages', model: 'claude-haiku-4-5' },
    { provider: 'openai', dialect: null, model: null },
  ],
  retry: { attempts: 3, on: ['connect', 429], max_wait: 5 },
  source: 'edited',
  hits: 3,
  is_editable: true,
  read_only_reason: null,
  key_source: 'env:ANTHROPIC_API_KEY',
  key_state: 'configured',
  problem: null,
  position: 0,
  revision: 'a1',
}

describe('the form of a route', () => {
  it('gives back what it was given', () => {
    expect(ROUTE).toMatchObject(bodyOfRoute(ROUTE))
  })

  it('leaves out what is empty', () => {
    const fields = {
      ...fieldsOf(null),
      model: ' ',
      replace: [{ from: '', to: 'x' }],
      retryOn: ['connect', '503'],
    }
    const body = bodyOf(fields)
    expect([body.model, body.prefix, body.system.replace]).toEqual([null, null, []])
    expect(body.retry.on).toEqual(['connect', 503])
  })

  it('is told in few words', () => {
    expect(changesOf(ROUTE)).toEqual([
      'system prompt: 1 replacement',
      'system prompt: text appended',
      'progress summary',
      '1 fallback',
      'up to 3 tries each',
    ])
  })
})

describe('the order of routes', () => {
  const route = (name: string, priority: number, model: string | null = '*', is_editable = true): Ranked => ({
    name,
    priority,
    model,
    is_editable,
  })
  /** As the server sorts them. */
  const order = (routes: readonly Ranked[]) =>
    routes
      .map((one, place) => ({ one, place }))
      .sort((a, b) => a.one.priority - b.one.priority || compareByPattern(a.one, b.one) || a.place - b.place)
      .map(({ one }) => one.name)
      .join('')
  const moved = (routes: Ranked[], from: number, to: number) => {
    const changes = moveTo(routes, from, to)
    if (!changes) return null
    return order(routes.map((one) => ({ ...one, priority: changes.get(one.name) ?? one.priority })))
  }

  it('puts exact before prefix before any', () => {
    expect(order([route('c', 5, null), route('b', 5, 'gpt*'), route('a', 5, 'gpt-4'), route('d', 5)])).toBe(
      'abcd',
    )
  })

  it('moves one route anywhere', () => {
    const routes = [route('a', 10), route('b', 10), route('c', 11), route('d', 50)]
    for (let from = 0; from < 4; from++)
      for (let to = 0; to < 4; to++) {
        const names = ['a', 'b', 'c', 'd']
        names.splice(to, 0, ...names.splice(from, 1))
        if (from !== to) expect(moved(routes, from, to), `${from} to ${to}`).toBe(names.join(''))
      }
  })

  it('changes one priority where there is room', () => {
    const routes = [route('a', 10), route('b', 20), route('c', 30)]
    expect([...(moveTo(routes, 2, 1) ?? [])]).toEqual([['c', 15]])
  })

  it('keeps the priority when the pattern decides', () => {
    const routes = [route('a', 50, '*'), route('b', 60, 'gpt-4')]
    expect([...(moveTo(routes, 1, 0) ?? [])]).toEqual([['b', 50]])
  })

  it('never changes a route of a file', () => {
    const routes = [route('a', 10, '*', false), route('b', 11, '*', false), route('c', 12)]
    expect(moveTo(routes, 0, 2)).toBeNull()
    expect(moveTo(routes, 2, 1)).toBeNull()
    expect(moved(routes, 2, 0)).toBe('cab')
  })
})

it('every dialect has something to say', () => {
  for (const dialect of DIALECTS) expect(JSON.stringify(sampleBody(dialect, 'm', 'Hello'))).toContain('Hello')
})
