import { expect } from 'chai'
import { ManualClock } from '../../test/memory/manual-clock.ts'
import { repeated } from './repeated.ts'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** How often work that takes so long is begun in a minute. */
async function timesInMinute(workMs: number, options: { readonly sparing?: true } = {}): Promise<number> {
  const clock = new ManualClock()
  let times = 0
  const running = repeated({
    doing: 'what is done regularly',
    everyMs: 2_000,
    ...options,
    clock,
    log: silent,
    problem: () => undefined,
    async work(signal) {
      times++
      await clock.delay(workMs, signal)
      return false
    },
  })
  await clock.advance(60_000)
  await running[Symbol.asyncDispose]()
  return times
}

describe('work that is repeated', () => {
  it('is done as often as it was asked for', async () => {
    expect(await timesInMinute(100)).to.be.within(28, 30)
    // As an outbox whose Kafka was away for 10 s: what came meanwhile must not wait for minutes.
    expect(await timesInMinute(10_000)).to.equal(6)
  })

  it('takes a twentieth of the time if it is to be sparing, because it may be long with many devices', async () => {
    expect(await timesInMinute(500, { sparing: true })).to.be.within(6, 7)
  })

  it('is done again within half a minute also if it took long once', async () => {
    expect(await timesInMinute(20_000, { sparing: true })).to.equal(2)
  })
})
