import { expect } from 'chai'
import fc from 'fast-check'
import { nextStep, type Step, type Trial } from './rate-search.ts'

const OPTIONS = { firstRate: 250_000, probes: 8, confirmations: 7 }

/**
 * Searches on a line that sustains exactly `capacity`, with a minute a little harder than a probe.
 */
function search(capacity: number, minute = 1): { last: Step; trials: readonly Trial[] } {
  const trials: Trial[] = []
  for (;;) {
    const step = nextStep(trials, OPTIONS)
    if (step.tag === 'done' || step.tag === 'given-up') return { last: step, trials }
    const kind = step.tag === 'probe' ? 'probe' : 'confirmation'
    const limit = kind === 'probe' ? capacity : capacity * minute
    trials.push({ kind, rate: step.rate, sustained: step.rate <= limit, throughput: Math.min(step.rate, limit) })
  }
}

describe('the search for the highest rate', () => {
  it('ends within a few per cent below what the line sustains', () => {
    fc.assert(
      fc.property(fc.integer({ min: 40_000, max: 900_000 }), (capacity) => {
        const { last } = search(capacity)
        expect(last.tag).to.equal('done')
        if (last.tag !== 'done') return
        expect(last.rate).to.be.at.most(capacity)
        expect(last.rate).to.be.at.least(capacity * 0.9)
      }),
    )
  })

  it('never asks for more than its number of loads', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1_000, max: 5_000_000 }), fc.double({ min: 0.5, max: 1, noNaN: true }), (capacity, minute) => {
        const { trials } = search(capacity, minute)
        expect(trials.filter(({ kind }) => kind === 'probe')).to.have.length.at.most(OPTIONS.probes)
        expect(trials.filter(({ kind }) => kind === 'confirmation')).to.have.length.at.most(OPTIONS.confirmations)
      }),
    )
  })

  it('climbs to it from below and halves the last step', () => {
    const { last, trials } = search(400_000, 0.95)
    expect(last).to.deep.equal({ tag: 'done', rate: 367_700 })
    const minutes = trials.filter(({ kind }) => kind === 'confirmation')
    expect(minutes.map(({ rate }) => rate)).to.deep.equal([276_300, 303_900, 334_300, 367_700, 404_500, 385_700])
    expect(minutes.map(({ sustained }) => sustained)).to.deep.equal([true, true, true, true, false, false])
  })

  it('steps down if the first minute is overloaded already', () => {
    const { last, trials } = search(400_000, 0.6)
    expect(last.tag).to.equal('done')
    expect(trials.find(({ kind }) => kind === 'confirmation')?.sustained).to.equal(false)
  })

  it('steps up again if an overloaded minute got through far less than the line sustains', () => {
    const minute = (rate: number, sustained: boolean, throughput = rate): Trial => ({ kind: 'confirmation', rate, sustained, throughput })
    const overload = minute(144_600, false, 110_000)
    expect(nextStep([overload], OPTIONS)).to.deep.equal({ tag: 'confirm', rate: 110_000 })
    expect(nextStep([overload, minute(110_000, true)], OPTIONS)).to.deep.equal({ tag: 'confirm', rate: 126_100 })
    const both = [overload, minute(110_000, true)]
    expect(nextStep([...both, minute(126_100, true)], OPTIONS)).to.deep.equal({ tag: 'confirm', rate: 135_000 })
    expect(nextStep([...both, minute(126_100, false)], OPTIONS)).to.deep.equal({ tag: 'confirm', rate: 117_800 })
    expect(nextStep([...both, minute(126_100, false), minute(117_800, false)], OPTIONS)).to.deep.equal({ tag: 'confirm', rate: 113_800 })
    expect(nextStep([...both, minute(115_000, false)], OPTIONS)).to.deep.equal({ tag: 'done', rate: 110_000 })
  })

  it('says so when no minute held', () => {
    const never = (step: Step): Trial => ({
      kind: step.tag === 'probe' ? 'probe' : 'confirmation',
      rate: 'rate' in step ? step.rate : 0,
      sustained: false,
      throughput: 1e9,
    })
    const trials: Trial[] = []
    for (let step = nextStep(trials, OPTIONS); step.tag !== 'given-up'; step = nextStep(trials, OPTIONS)) trials.push(never(step))
    expect(trials).to.have.length(OPTIONS.probes + OPTIONS.confirmations)
  })

  it('goes on from what an overloaded line got through', () => {
    expect(nextStep([{ kind: 'probe', rate: 250_000, sustained: false, throughput: 130_000 }], OPTIONS)).to.deep.equal({
      tag: 'probe',
      rate: 130_000,
    })
  })
})
