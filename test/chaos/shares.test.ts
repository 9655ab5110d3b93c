import { expect } from 'chai'
import fc from 'fast-check'
import { planFaults } from './schedule.ts'
import { sharesOf } from './shares.ts'

/** As in test/run. */
const CI = { seed: 20261132, minutes: 5 }

describe('the shares of the phases', () => {
  it('leave most of a long run, and enough of a short one, to the faults that overlap', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.5, max: 24 * 60, noNaN: true }), (minutes) => {
        const { mainS, brokerS, rounds } = sharesOf(minutes)
        expect(mainS).to.be.at.least(0.399 * minutes * 60)
        expect(mainS).to.be.at.most(minutes * 60)
        expect(brokerS).to.be.within(25, 120)
        expect(rounds).to.be.at.least(1)
      }),
    )
  })

  it('have every kind of fault in the minutes and with the seed that CI has', () => {
    const durationMs = sharesOf(CI.minutes).mainS * 1000 - 15_000
    const faults = planFaults({ seed: CI.seed, durationMs, sessionTimeoutMs: 6_000, diskCanFill: true })
    expect(new Set(faults.map(({ kind }) => kind)).size).to.equal(28)
  })
})
