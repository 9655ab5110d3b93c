import { expect } from 'chai'
import fc from 'fast-check'
import { planPromotions } from './promotions.ts'

const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 })

describe('the schedule of promotions', () => {
  it('has one even if the faults before it have taken all the time', () => {
    expect(planPromotions(61, -8_000).map(({ atMs }) => atMs)).to.deep.equal([0])
  })

  it('has one in the shortest run, at least three in 15 minutes, in order, and follows from its seed', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 20_000, max: 60 * 60_000 }), (seed, durationMs) => {
        const promotions = planPromotions(seed, durationMs)
        expect(promotions).to.deep.equal(planPromotions(seed, durationMs))
        expect(promotions.length).to.be.at.least(durationMs >= 15 * 60_000 ? 3 : 1)
        expect(promotions.map(({ atMs }) => atMs)).to.deep.equal(promotions.map(({ atMs }) => atMs).toSorted((a, b) => a - b))
        for (const { atMs, forMs } of promotions) expect(atMs + forMs).to.be.at.most(durationMs)
      }),
    )
  })
})
