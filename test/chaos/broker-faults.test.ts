import { expect } from 'chai'
import fc from 'fast-check'
import { planBrokerFaults } from './broker-faults.ts'

const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 })

describe('the schedule of faults of three brokers', () => {
  it('follows from its seed, is in order of time, over before the end, and one broker is back before the next goes', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 20_000, max: 2_400_000 }), (seed, durationMs) => {
        const faults = planBrokerFaults(seed, durationMs, true)
        expect(planBrokerFaults(seed, durationMs, true)).to.deep.equal(faults)
        let before = 0
        for (const { atMs, forMs } of faults) {
          expect(atMs).to.be.at.least(before)
          before = atMs + forMs
          expect(before).to.be.at.most(durationMs)
        }
      }),
    )
  })

  it('has every kind, of every broker, within ten minutes; only the last one has a disk that can be full', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const faults = planBrokerFaults(seed, 600_000, true)
        expect(new Set(faults.map(({ kind }) => kind)).size).to.equal(4)
        expect(new Set(faults.map(({ broker }) => broker)).size).to.equal(3)
        for (const { kind, broker } of faults) if (kind === 'fill disk of broker') expect(broker).to.equal('kafka3')
        expect(planBrokerFaults(seed, 600_000, false).map(({ kind }) => kind)).to.not.contain('fill disk of broker')
      }),
    )
  })
})
