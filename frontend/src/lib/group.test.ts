import { describe, expect, it } from 'vitest'
import { groupLines, sortSlots, type Group } from './group'
import { RowWindow } from './rowWindow'
import { makeRow } from './testRows'

function filled() {
  const window_ = new RowWindow()
  window_.merge(
    [
      makeRow({
        id: 'A',
        conversation: 'c1',
        preview: 'first',
        started_ns: 1e9,
        duration_ns: 1e9,
        input_fresh: 5,
      }),
      makeRow({ id: 'B', conversation: 'c2', state: 'error', started_ns: 2e9, duration_ns: 9e9 }),
      makeRow({
        id: 'C',
        conversation: 'c1',
        preview: 'second',
        state: 'streaming',
        started_ns: 5e9,
        output: 3,
        cache_read: 2,
      }),
    ],
    'page',
  )
  return window_
}

describe('groupLines', () => {
  it('keeps the newest group first and sums what is known', () => {
    const { columns, order } = filled()
    const lines = groupLines(columns, order, 'conversation', new Set()) as Group[]
    expect(lines.map((one) => one.key)).toEqual(['c1', 'c2'])
    expect(lines[0]).toMatchObject({
      count: 2,
      running: 1,
      errors: 0,
      input: 7,
      output: 3,
      title: 'first',
      spanNs: 4e9,
    })
    expect(lines[1]).toMatchObject({ count: 1, errors: 1, input: null, output: null })
  })

  it('shows the rows of open groups below them', () => {
    const { columns, order } = filled()
    const lines = groupLines(columns, order, 'conversation', new Set(['c1']))
    expect(lines.map((line) => (typeof line === 'number' ? columns.id(line) : line.key))).toEqual([
      'c1',
      'C',
      'A',
      'c2',
    ])
  })
})

describe('sortSlots', () => {
  it('puts unknown values last in either direction', () => {
    const { columns, order } = filled()
    const ids = (isRising: boolean) =>
      sortSlots(columns, order, 'duration', isRising).map((slot) => columns.id(slot))
    expect(ids(true)).toEqual(['A', 'B', 'C'])
    expect(ids(false)).toEqual(['B', 'A', 'C'])
  })
})
