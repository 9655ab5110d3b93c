import { expect } from 'chai'
import fc from 'fast-check'
import { fullJitterMs } from './backoff.ts'

describe('full-jitter backoff', () => {
  const limits = { firstMs: 100, longestMs: 5_000 }

  it('waits between zero and a ceiling that doubles with each failure up to the longest', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.double({ min: 0, max: 0.999999, noNaN: true }), (attempt, random) => {
        const wait = fullJitterMs(attempt, limits, random)
        expect(wait).to.be.within(0, Math.min(5_000, 100 * 2 ** attempt))
      }),
    )
    expect(fullJitterMs(0, limits, 0.5)).to.equal(50)
    expect(fullJitterMs(3, limits, 0.5)).to.equal(400)
    expect(fullJitterMs(1000, limits, 0.5)).to.equal(2_500)
  })
})
