import { expect } from 'chai'
import fc from 'fast-check'
import { half, shortestDecimal, single } from './shortest-decimal.ts'

describe('the shortest decimal of a number of few bits', () => {
  it('is what the device meant', () => {
    for (const value of [149.9, 23.4, 0.1, -0.001, 1.1754944e-38, 3.4e38, 16_777_216, 0])
      expect(shortestDecimal(Math.fround(value), single)).to.equal(value)
    expect(shortestDecimal(23.40625, half)).to.equal(23.4)
    expect(shortestDecimal(-0.0999755859375, half)).to.equal(-0.1)
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) expect(shortestDecimal(value, single)).to.deep.equal(value)
  })

  it('is an integer as it is: 2^53 became 9007199000000000', () => {
    for (const value of [-(2 ** 53), 2 ** 53, 123_456_792]) expect(shortestDecimal(value, single)).to.equal(value)
  })

  it('is the same number in the format, for every single', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true }), (value) => {
        expect(Math.fround(shortestDecimal(value, single))).to.equal(value)
      }),
      { numRuns: 2_000 },
    )
  })
})
