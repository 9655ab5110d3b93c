import { expect } from 'chai'
import fc from 'fast-check'
import { aheadMs, describeDuration } from './clock-window.ts'

describe('the difference of two clocks', () => {
  it('is what is left of it when the way of the answer is taken off', () => {
    expect(aheadMs({ theirsMs: 1_000, askedAtMs: 10, answeredAtMs: 30 }, 1_500, 20)).to.equal(490)
    expect(aheadMs({ theirsMs: 1_000, askedAtMs: 10, answeredAtMs: 30 }, 1_000, 120)).to.equal(-90)
    expect(Math.abs(aheadMs({ theirsMs: 1_000, askedAtMs: 10, answeredAtMs: 30 }, 1_009, 20))).to.equal(0)
  })

  it('is never more than it is, however long the answer took and whenever within that time it was given', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1e6, max: 1e6 }),
        fc.nat(1e5),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.nat(1e6),
        (ahead, way, share, later) => {
          const trueMs = 1_795_406_400_000
          const reading = { theirsMs: trueMs + way * share, askedAtMs: 0, answeredAtMs: way }
          const found = aheadMs(reading, trueMs + later + ahead, later)
          expect(Math.abs(found)).to.be.at.most(Math.abs(ahead) + 1e-3)
          expect(Math.abs(found)).to.be.at.least(Math.abs(ahead) - way - 1e-3)
        },
      ),
    )
  })

  for (const [ms, text] of [
    [0, '0 s'],
    [71_000, '1 min 11 s'],
    [60_000, '1 min'],
    [259_200_000, '3 d'],
    [259_200_000 + 14_400_000 + 60_000, '3 d 4 h'],
    [86_400_000 + 60_000, '1 d'],
  ] as const) {
    it(`is ${text} for ${ms} ms`, () => {
      expect(describeDuration(ms)).to.equal(text)
    })
  }
})
