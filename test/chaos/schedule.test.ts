import { expect } from 'chai'
import fc from 'fast-check'
import { planBrokerKills, planFaults } from './schedule.ts'

const minutes = (count: number): number => count * 60_000
const options = { durationMs: minutes(4), sessionTimeoutMs: 6_000, diskCanFill: true }
const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 })

describe('the schedule of faults', () => {
  it('follows from its seed alone', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        expect(planFaults({ ...options, seed })).to.deep.equal(planFaults({ ...options, seed }))
        expect(planBrokerKills(seed, 60_000)).to.deep.equal(planBrokerKills(seed, 60_000))
      }),
      { numRuns: 50 },
    )
    expect(planFaults({ ...options, seed: 1 })).to.not.deep.equal(planFaults({ ...options, seed: 2 }))
  })

  it('is in order of time and over before the end', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 20_000, max: minutes(40) }), (seed, durationMs) => {
        let before = 0
        for (const { atMs, forMs } of planFaults({ ...options, seed, durationMs })) {
          expect(atMs).to.be.greaterThan(before)
          expect(atMs + forMs).to.be.at.most(durationMs)
          before = atMs
        }
      }),
      { numRuns: 50 },
    )
  })

  it('has at least 100 faults of at least 8 kinds in 20 minutes, and at least 8 kinds in 3', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const long = planFaults({ ...options, seed, durationMs: minutes(20) })
        expect(long.length).to.be.at.least(100)
        expect(new Set(long.map(({ kind }) => kind)).size).to.equal(28)
        const short = planFaults({ ...options, seed, durationMs: minutes(3) })
        expect(new Set(short.map(({ kind }) => kind)).size).to.be.at.least(8)
      }),
    )
  })

  it('pauses consumers for longer than their session lasts', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1_000, max: 30_000 }), (seed, sessionTimeoutMs) => {
        for (const fault of planFaults({ ...options, seed, sessionTimeoutMs })) {
          if (fault.kind.startsWith('pause ') && fault.kind !== 'pause bridge') expect(fault.forMs).to.be.greaterThan(sessionTimeoutMs)
        }
      }),
    )
  })

  it('fills no disk if none can be limited, and kills Mosquitto only in a phase of its own', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const kinds = new Set(planFaults({ ...options, seed, diskCanFill: false }).map(({ kind }) => kind))
        expect(kinds.has('fill disk')).to.equal(false)
        expect(kinds.has('kill Mosquitto')).to.equal(false)
        const kills = planBrokerKills(seed, 45_000)
        expect(kills.map(({ kind }) => kind)).to.include('kill Mosquitto')
        for (const { kind, atMs } of kills) {
          expect(kind).to.be.oneOf(['kill Mosquitto', 'kill bridge'])
          expect(atMs).to.be.within(1, 45_000 - 12_000)
        }
      }),
    )
  })
})
