import { expect } from 'chai'
import { ManualClock } from '../test/memory/manual-clock.ts'
import { Problems } from './problems.ts'

describe('what is wrong with a service', () => {
  it('is told with the time since when its part has had something, whatever it says meanwhile', async () => {
    const clock = new ManualClock(Date.UTC(2026, 10, 30, 12))
    const problems = new Problems(clock, (text) => text.replace('secret', '***'))
    problems.set('database', 'no answer, secret')
    await clock.advance(5_000)
    problems.set('database', 'refused')
    problems.set('outbox', 'full')
    expect(problems.shown()).to.deep.equal({
      ok: false,
      problems: { database: 'refused', outbox: 'full' },
      since: { database: '2026-11-30T12:00:00.000Z', outbox: '2026-11-30T12:00:05.000Z' },
    })
    problems.set('database', null)
    problems.set('outbox', null)
    expect(problems.shown()).to.deep.equal({ ok: true, problems: {}, since: {} })
    problems.set('database', 'secret')
    expect(problems.shown()).to.deep.include({ problems: { database: '***' }, since: { database: '2026-11-30T12:00:05.000Z' } })
  })
})
