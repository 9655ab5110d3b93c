import { expect } from 'chai'
import { ManualClock } from '../test/memory/manual-clock.ts'
import { StageClock } from './stage-clock.ts'

describe('how long a service is in each stage', () => {
  it('counts batches that are there together once, and what is under way until now', async () => {
    const clock = new ManualClock()
    const stages = new StageClock(clock)
    const first = stages.enter('database')
    await clock.advance(1_000)
    const second = stages.enter('database')
    await clock.advance(1_000)
    first[Symbol.dispose]()
    await clock.advance(500)
    expect(new Map(stages.seconds()).get('database')).to.equal(2.5)
    second[Symbol.dispose]()
    await clock.advance(10_000)
    expect(Object.fromEntries(stages.seconds())).to.deep.equal({ lookups: 0, handling: 0, sending: 0, database: 2.5 })
  })

  it('leaves a stage whose work failed', async () => {
    const clock = new ManualClock()
    const stages = new StageClock(clock)
    await stages.during('lookups', async () => clock.advance(100))
    const failure = await stages.during('lookups', () => Promise.reject(new Error('away'))).catch((cause: unknown) => cause)
    await clock.advance(1_000)
    expect(String(failure)).to.equal('Error: away')
    expect(new Map(stages.seconds()).get('lookups')).to.equal(0.1)
  })
})
