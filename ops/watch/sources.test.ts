import { expect } from 'chai'
import type { Log } from '../../connectors/contract.ts'
import { ManualClock } from '../../test/memory/manual-clock.ts'
import { figure } from './metrics.ts'
import { Sources } from './sources.ts'

describe('a source of figures', () => {
  it('is looked at once in an interval, and an outage is said when it begins and when it ends', async () => {
    const clock = new ManualClock()
    const said: string[] = []
    const note = (level: string) => (message: string) => void said.push(`${level} ${message}`)
    const log: Log = { info: note('info'), warn: note('warn'), error: note('error') }
    const problems = new Map<string, string | null>()
    let looks = 0
    let away = true
    const sources = new Sources({ intervalMs: 10_000, clock, log, health: { set: (part, what) => void problems.set(part, what) } })
    const known = sources.watched('telemetry', async () => {
      looks++
      if (away) throw new Error('connection refused')
      return [figure('millrace_database_connections', ['telemetry'], looks)]
    })
    const abort = new AbortController()
    const looking = known.keepLooking(abort.signal)
    await clock.advance(25_000)
    expect([looks, known.up, known.figures().length]).to.deep.equal([3, false, 0])
    expect(problems.get('telemetry')).to.equal('connection refused')
    away = false
    await clock.advance(10_000)
    expect([known.up, known.figures()[0]?.value]).to.deep.equal([true, 4])
    expect(problems.get('telemetry')).to.equal(null)
    expect(said).to.deep.equal(['warn a source does not answer; its metrics are absent until it does', 'info a source answers again'])
    abort.abort()
    await clock.advance(10_000)
    await looking
    // Nobody looks any more: what was said long ago is not told as if it held.
    await clock.advance(31_000)
    expect(known.up).to.equal(false)
  })
})
