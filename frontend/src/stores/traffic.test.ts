/** What happens while the list is being read: every answer of the server is given by hand, so each race is one test. */
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Row } from '@/api/types'
import { makeRow } from '@/lib/testRows'
import { useTraffic } from './traffic'

interface Asked {
  url: URL
  answer: (body: unknown) => Promise<void>
  fail: () => Promise<void>
}

let asked: Asked[] = []
const settled = async () => void (await vi.advanceTimersByTimeAsync(0))

/** The one open question for the list (`cursor`-less page), for changes, or for anything else by its path. */
function take(path: string, has: (url: URL) => boolean = () => true): Asked {
  const place = asked.findIndex(({ url }) => url.pathname === path && has(url))
  expect(place, `${path} was asked; open: ${asked.map(({ url }) => url.href).join(' ')}`).toBeGreaterThan(-1)
  return asked.splice(place, 1)[0] as Asked
}
const page = () => take('/api/exchanges', (url) => !url.searchParams.has('since_seq'))
async function changes() {
  await settled()
  return take('/api/exchanges', (url) => url.searchParams.has('since_seq'))
}
const areAsked = () => asked.filter(({ url }) => url.searchParams.has('since_seq')).length

const pageOf = (items: Row[], since_seq = 10) => ({ items, next_cursor: null, since_seq })
const changesOf = (items: Row[], deleted: string[] = []) => ({
  items,
  deleted,
  since_seq: 20,
  is_truncated: false,
})
const started = (row: Row) => ({ type: 'exchange.started', data: row })
const finished = (row: Row) => ({ type: 'exchange.finished', data: row })
const progress = (id: string, state = 'streaming') => ({
  type: 'exchange.progress',
  data: { id, state, elapsed_ns: 1, response_bytes: 7 },
})
const RUNNING = makeRow({ id: 'B', state: 'streaming', ending: null })
const OLD = makeRow({ id: 'A', seq: 3 })

function ids(traffic: ReturnType<typeof useTraffic>) {
  const rows = traffic.window()
  return rows.order.map((_, place) => rows.idAt(place))
}

beforeEach(() => {
  setActivePinia(createPinia())
  vi.useFakeTimers()
  asked = []
  vi.stubGlobal('fetch', (path: string, options: RequestInit) => {
    return new Promise<Response>((resolve, reject) => {
      options.signal?.addEventListener('abort', () => reject(new DOMException('left', 'AbortError')))
      asked.push({
        url: new URL(path, 'http://dragoman.test'),
        answer: (body) => (resolve(Response.json(body)), settled()),
        fail: () => (reject(new TypeError('network')), settled()),
      })
    })
  })
})
afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

describe('an exchange that begins while the list is read', () => {
  it('stays when the page does not hold it yet', async () => {
    const traffic = useTraffic()
    void traffic.load('')
    traffic.onEvents([started(RUNNING)])
    await page().answer(pageOf([OLD]))
    expect(ids(traffic)).toEqual(['B', 'A'])
    traffic.onEvents([progress('B')])
    expect(traffic.window().byId('B')?.response_bytes).toBe(7)
  })

  it('is asked for again and again when only its progress is heard, and is not stored yet', async () => {
    const traffic = useTraffic()
    void traffic.load('')
    traffic.onEvents([progress('B')])
    await page().answer(pageOf([OLD]))
    traffic.onEvents([progress('B')])
    for (const items of [[], [], [RUNNING]]) {
      await vi.advanceTimersByTimeAsync(3000)
      traffic.onEvents([progress('B')])
      await (await changes()).answer(changesOf(items))
    }
    expect(ids(traffic)).toEqual(['B', 'A'])
  })

  it('is not asked for without end', async () => {
    const traffic = useTraffic()
    void traffic.load('')
    await page().answer(pageOf([OLD]))
    let times = 0
    for (let tick = 0; tick < 2000; tick++) {
      traffic.onEvents([progress('B')])
      await vi.advanceTimersByTimeAsync(250)
      if (!areAsked()) continue
      times++
      await (await changes()).answer(changesOf([]))
    }
    expect(times).toBeGreaterThan(4)
    expect(times).toBeLessThan(12)
  })

  it('and ends meanwhile is had from the changes', async () => {
    const traffic = useTraffic()
    void traffic.load('')
    const over = makeRow({ id: 'B', seq: 11 })
    traffic.onEvents([started(RUNNING)])
    traffic.onEvents([finished(over)])
    await page().answer(pageOf([OLD]))
    await (await changes()).answer(changesOf([over]))
    expect(traffic.window().byId('B')?.state).toBe('done')
  })

  it('is had from the changes when the feed came alive during the reading', async () => {
    const traffic = useTraffic()
    void traffic.load('')
    traffic.onLive()
    expect(areAsked()).toBe(0)
    await page().answer(pageOf([OLD]))
    await (await changes()).answer(changesOf([makeRow({ id: 'B', seq: 12 })]))
    expect(ids(traffic)).toEqual(['B', 'A'])
  })

  it('is found by a filter once it is stored', async () => {
    const traffic = useTraffic()
    void traffic.load('model:wolf')
    traffic.onEvents([started(RUNNING)])
    await page().answer(pageOf([]))
    await (await changes()).answer(changesOf([]))
    await vi.advanceTimersByTimeAsync(700)
    traffic.onEvents([progress('B')])
    await (await changes()).answer(changesOf([RUNNING]))
    expect(ids(traffic)).toEqual(['B'])
  })
})

describe('a list that is replaced', () => {
  it('keeps what ran when the filter is taken out', async () => {
    const traffic = useTraffic()
    void traffic.load('')
    await page().answer(pageOf([OLD]))
    traffic.onEvents([started(RUNNING)])
    void traffic.load('model:wolf')
    await page().answer(pageOf([]))
    expect(ids(traffic)).toEqual([])
    void traffic.load('')
    await page().answer(pageOf([OLD]))
    expect(ids(traffic)).toEqual(['B', 'A'])
  })

  it('takes changes that were asked for the one before again', async () => {
    const traffic = useTraffic()
    void traffic.load('')
    await page().answer(pageOf([OLD]))
    traffic.onLive()
    const before = await changes()
    traffic.clearView()
    await before.answer(changesOf([OLD, makeRow({ id: 'B', seq: 12 })]))
    await (await changes()).answer(changesOf([OLD, makeRow({ id: 'B', seq: 12 })]))
    expect(ids(traffic), 'what was cleared stays away').toEqual(['B'])
  })

  it('asks anew for the query wanted, not the one before, when others delete by filter', async () => {
    const traffic = useTraffic()
    void traffic.load('')
    await page().answer(pageOf([OLD]))
    void traffic.load('model:wolf')
    page()
    traffic.onEvents([{ type: 'exchange.deleted', data: { ids: [], filter: 'model:sheep', count: 3 } }])
    expect(page().url.searchParams.get('q')).toBe('model:wolf')
  })

  it('forgets what was deleted while it was read', async () => {
    const traffic = useTraffic()
    void traffic.load('')
    traffic.onEvents([{ type: 'exchange.deleted', data: { ids: ['A'], filter: null, count: 1 } }])
    await page().answer(pageOf([OLD]))
    await (await changes()).answer(changesOf([], ['A']))
    expect(ids(traffic)).toEqual([])
  })
})

it('does not bring an exchange that ended back to life by late progress', async () => {
  const traffic = useTraffic()
  void traffic.load('')
  await page().answer(pageOf([OLD]))
  traffic.onEvents([progress('A')])
  expect(traffic.window().byId('A')?.state).toBe('done')
})

it('reads the list again when the feed comes alive after a failure, and not before anybody wanted it', async () => {
  const traffic = useTraffic()
  traffic.onLive()
  expect(asked).toEqual([])
  void traffic.load('model:wolf')
  await page().fail()
  expect(traffic.failure).not.toBeNull()
  traffic.onLive()
  await page().answer(pageOf([OLD]))
  expect(traffic.failure).toBeNull()
  expect(ids(traffic)).toEqual(['A'])
})

it('says no longer that changes could not be had once they were', async () => {
  const traffic = useTraffic()
  void traffic.load('')
  await page().answer(pageOf([OLD]))
  traffic.onEvents([{ type: 'resync', data: { since_seq: 3 } }])
  await (await changes()).fail()
  expect(traffic.failure).not.toBeNull()
  void traffic.catchUp()
  await (await changes()).answer(changesOf([]))
  expect(traffic.failure).toBeNull()
})
