import { describe, expect, it } from 'vitest'
import { makeRow } from './testRows'
import { ColumnStore } from './columns'
import { RowWindow } from './rowWindow'

describe('ColumnStore', () => {
  it('gives back each row as it was put in, unknown as null', () => {
    const store = new ColumnStore()
    const rows = [
      makeRow({ id: 'B', is_streamed: null, tags: ['a', 'b'], output: 0 }),
      makeRow({ id: 'A', is_streamed: false, error_message: 'no', output: null }),
    ]
    for (const row of rows) store.put(row)
    for (const row of rows) expect(store.row(store.slotOf(row.id) as number)).toEqual(row)
  })

  it('uses the slot of a removed row again', () => {
    const store = new ColumnStore()
    const slot = store.put(makeRow({ id: 'A' }))
    store.remove('A')
    expect(store.slotOf('A')).toBeUndefined()
    expect(store.put(makeRow({ id: 'B' }))).toBe(slot)
  })

  it('grows past its first capacity without losing what it held', () => {
    const store = new ColumnStore()
    for (let n = 0; n < 1000; n++) store.put(makeRow({ id: String(n), output: n }))
    expect(store.value(store.slotOf('7') as number, 'output')).toBe(7)
    expect(store.value(store.slotOf('999') as number, 'output')).toBe(999)
  })
})

describe('RowWindow', () => {
  const ids = (window_: RowWindow) => window_.order.map((_, place) => window_.idAt(place))

  it('keeps newest first, whatever the order of arrival', () => {
    const window_ = new RowWindow()
    window_.merge(
      ['C', 'A'].map((id) => makeRow({ id })),
      'page',
    )
    window_.merge(
      ['B', 'D'].map((id) => makeRow({ id })),
      'live',
    )
    expect(ids(window_)).toEqual(['D', 'C', 'B', 'A'])
    expect(window_.positionOf('B')).toBe(2)
    expect(window_.positionOf('X')).toBe(-1)
  })

  it('pushes out the oldest for live rows, not for pages', () => {
    const window_ = new RowWindow(2)
    window_.merge(
      ['A', 'B', 'C'].map((id) => makeRow({ id })),
      'page',
    )
    expect(ids(window_)).toEqual(['C', 'B', 'A'])
    window_.merge([makeRow({ id: 'D' })], 'live')
    expect(ids(window_)).toEqual(['D', 'C'])
    expect(window_.has('A')).toBe(false)
  })

  it('does not let a late page undo what an event said', () => {
    const window_ = new RowWindow()
    window_.merge([makeRow({ id: 'A', state: 'done', seq: 0 })], 'live')
    window_.merge([makeRow({ id: 'A', state: 'streaming', seq: 0 })], 'page')
    expect(window_.byId('A')?.state).toBe('done')
    window_.merge([makeRow({ id: 'A', state: 'error', seq: 9 })], 'live')
    window_.merge([makeRow({ id: 'A', state: 'done', seq: 8 })], 'page')
    expect(window_.byId('A')?.state).toBe('error')
  })

  it('removes rows wherever they stand', () => {
    const window_ = new RowWindow()
    window_.merge(
      ['A', 'B', 'C'].map((id) => makeRow({ id })),
      'page',
    )
    expect(window_.remove(['B', 'X'])).toBe(1)
    expect(ids(window_)).toEqual(['C', 'A'])
  })
})
