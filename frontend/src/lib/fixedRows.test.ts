import { describe, expect, it } from 'vitest'
import { scrollToSee, sliceOf } from './fixedRows'

describe('sliceOf', () => {
  it('draws the same number of rows wherever one is', () => {
    const counts = [0, 13, 400, 2790, 99_999].map((top) => sliceOf(top, 280, 28, 100).count)
    expect(new Set(counts)).toEqual(new Set([21]))
  })

  it('covers what is in sight, from the first row to the last', () => {
    expect(sliceOf(0, 280, 28, 100).first).toBe(0)
    const middle = sliceOf(1000, 280, 28, 100)
    expect(middle.first * 28).toBeLessThanOrEqual(1000)
    expect((middle.first + middle.count) * 28).toBeGreaterThanOrEqual(1280)
    const end = sliceOf(100 * 28 - 280, 280, 28, 100)
    expect(end.first + end.count).toBe(100)
  })

  it('gives no more than there are', () => {
    expect(sliceOf(0, 280, 28, 3)).toMatchObject({ first: 0, count: 3 })
    expect(sliceOf(500, 280, 28, 0)).toMatchObject({ first: 0, count: 0 })
  })
})

describe('scrollToSee', () => {
  it('moves as little as needed', () => {
    expect(scrollToSee(5, 28, 0, 280)).toBeNull()
    expect(scrollToSee(1, 28, 100, 280)).toBe(28)
    expect(scrollToSee(20, 28, 0, 280)).toBe(21 * 28 - 280)
  })
})
