import { expect } from 'chai'
import fc from 'fast-check'
import type { Reading } from '../../schemas/generated/readings.ts'
import type { Rule, RuleState } from './judge.ts'
import { nightOf } from './night.ts'
import type { HeardSample } from './samples.ts'
import { judgeSeries } from './series.ts'

const MINUTE = 60_000_000
const HOUR = 60 * MINUTE
const BEGAN = 1_780_000_000_000_000

const threshold: Rule = {
  kind: 'threshold',
  direction: 'above',
  level: 35,
  clearLevel: 33,
  forMicros: 0,
  windowMicros: 0,
  nightOf: undefined,
}
const frost: Rule = { ...threshold, direction: 'below', level: 0, clearLevel: 2, forMicros: 10 * MINUTE }
const falling: Rule = { ...threshold, kind: 'rate', direction: 'below', level: -4, clearLevel: -1, windowMicros: 10 * MINUTE }
const night: Rule = {
  ...threshold,
  kind: 'night_drop',
  direction: null,
  level: 2,
  clearLevel: 1,
  nightOf: nightOf({ zone: 'Europe/Berlin', fromMs: 22 * 3_600_000, toMs: 5 * 3_600_000 }),
}

function sample(ts: number, temperature: number | null, received = ts): HeardSample {
  return { reading: { ts, temperature, site_id: 7 } as unknown as Reading, channel: '', received }
}

/** A device and a rule, as the database keeps them between batches. */
class Kept {
  state: RuleState | undefined
  open = false
  readonly events: string[] = []
  private readonly rule: Rule

  constructor(rule: Rule) {
    this.rule = rule
  }

  /** A batch, in the order in which the process gets it. */
  batch(samples: readonly HeardSample[]): this {
    const sorted = [...samples].sort((a, b) => a.reading.ts - b.reading.ts)
    const { state, changes } = judgeSeries(this.rule, 'temperature', this, sorted, () => true)
    for (const { change } of changes) {
      if ((change.tag === 'opened') === this.open) throw new Error(`${change.tag} an alert that was ${this.open ? 'open' : 'closed'}`)
      this.open = change.tag === 'opened'
      this.events.push(`${change.tag} ${(change.at - BEGAN) / MINUTE}`)
    }
    this.state = state
    return this
  }
}

const at = (minutes: number, value: number | null): HeardSample => sample(BEGAN + minutes * MINUTE, value)

describe('an alert rule', () => {
  it('opens above its level, and closes once the value is back at the clear level', () => {
    const kept = new Kept(threshold).batch([at(0, 35), at(1, 35.1), at(2, 40), at(3, 34), at(4, 36), at(5, 33), at(6, 34), at(7, 36)])
    expect(kept.events).to.deep.equal(['opened 1', 'closed 5', 'opened 7'])
  })

  it('opens only if the breach lasts for its minimum duration without a pause', () => {
    const kept = new Kept(frost).batch([at(0, -1), at(5, -1), at(9, 0), at(12, -1), at(21, -2), at(22, -2), at(30, 1), at(31, 2)])
    expect(kept.events).to.deep.equal(['opened 22', 'closed 31'])
  })

  it('takes a rate between samples that are a window apart, whatever noise is in between', () => {
    const kept = new Kept(falling).batch([at(0, 30), at(1, 10), at(10, 29.9), at(20, 29), at(30, 28.9), at(40, 28.9)])
    expect(kept.events).to.deep.equal(['opened 20', 'closed 30'])
  })

  it('knows a drop below the highest value of the night, also past midnight, and forgets it by day', () => {
    const evening = Date.UTC(2026, 6, 1, 20, 30) * 1000
    const of = (hours: number, value: number): HeardSample => sample(evening + hours * HOUR, value)
    const kept = new Kept(night)
    kept.batch([of(-2, 60), of(0, 50), of(1, 50.5), of(3, 48.6), of(4, 48.4), of(8, 20)])
    expect(kept.events.map((event) => event.split(' ')[0])).to.deep.equal(['opened', 'closed'])
    expect(new Kept(night).batch([of(0, 50), of(24, 40), of(48, 30)]).events).to.deep.equal([])
  })

  it('leaves out samples without the value, and those far ahead of their receipt, which would make all others late', () => {
    const ahead = sample(BEGAN + 60 * MINUTE, 50, BEGAN)
    expect(new Kept(threshold).batch([at(0, null), ahead]).events).to.deep.equal([])
    expect(new Kept(threshold).batch([ahead]).batch([at(1, 36)]).events).to.deep.equal(['opened 1'])
  })

  const values = fc.array(fc.integer({ min: -5, max: 45 }), { minLength: 1, maxLength: 60 })
  const rules = fc.constantFrom(threshold, frost, falling, night)

  it('gives the same in whatever batches, repeats, and restarts a series comes', () => {
    fc.assert(
      fc.property(rules, values, fc.array(fc.nat(8), { minLength: 1 }), fc.infiniteStream(fc.nat(20)), (rule, series, sizes, back) => {
        const samples = series.map((value, index) => at(index * 7, value))
        const whole = new Kept(rule).batch(samples)
        const parts = new Kept(rule)
        for (let place = 0, turn = 0; place < samples.length; turn++) {
          const end = place + (sizes[turn % sizes.length] ?? 0) + 1
          // A restart reads again what came before; a batch may have it twice and in any order.
          const begin = Math.max(0, place - (back.next().value ?? 0))
          parts.batch([...samples.slice(begin, end), ...samples.slice(begin, end)].reverse())
          place = end
        }
        expect(parts.events).to.deep.equal(whole.events)
        expect(parts.state).to.deep.equal(whole.state)
      }),
    )
  })

  it('opens and closes in turn in any order of samples, as if the late ones had never been', () => {
    const shuffled = values.chain((series) =>
      fc.tuple(
        fc.constant(series.map((value, index) => at(index * 7, value))),
        fc.shuffledSubarray([...series.keys(), ...series.keys()], { minLength: 1 }),
      ),
    )
    fc.assert(
      fc.property(rules, shuffled, (rule, [samples, order]) => {
        const arrived = order.flatMap((index) => samples[index] ?? [])
        const kept = new Kept(rule)
        for (const each of arrived) kept.batch([each])
        let latest = Number.NEGATIVE_INFINITY
        const inTime = arrived.filter(({ reading: { ts } }) => {
          if (ts <= latest) return false
          latest = ts
          return true
        })
        expect(kept.events).to.deep.equal(new Kept(rule).batch(inTime).events)
      }),
    )
  })
})
