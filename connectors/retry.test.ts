import { expect } from 'chai'
import fc from 'fast-check'
import { ManualClock, settled } from '../test/memory/manual-clock.ts'
import { backoffMs } from './backoff.ts'
import { type FailedAttempt, retry, retryWhile } from './retry.ts'

describe('a pause after a failure', () => {
  it('is at least the least, and below it plus the most', () => {
    fc.assert(
      fc.property(fc.nat(2_000), fc.nat(1_000), fc.nat(60_000), fc.nat(1_000), (attempt, baseMs, maxMs, leastMs) => {
        for (const random of [0, 0.5, 0.999999]) {
          const ms = backoffMs(attempt, { baseMs, maxMs, leastMs }, () => random)
          expect(ms).to.be.within(leastMs, leastMs + maxMs)
        }
      }),
    )
  })

  it('doubles from the base to the most', () => {
    const pauses = [0, 1, 2, 3, 9].map((attempt) => backoffMs(attempt, { baseMs: 100, maxMs: 1_000 }, () => 1))
    expect(pauses).to.deep.equal([100, 200, 400, 800, 1_000])
  })
})

describe('retrying', () => {
  const failing = (times: number): (() => Promise<string>) => {
    let calls = 0
    return async () => {
      if (calls++ < times) throw new Error(`failure ${calls}`)
      return `after ${calls}`
    }
  }
  let clock: ManualClock
  let failures: FailedAttempt[]
  let stopping: AbortController
  const options = () => ({ clock, signal: stopping.signal, failed: (failure: FailedAttempt) => void failures.push(failure) })

  beforeEach(() => {
    clock = new ManualClock()
    failures = []
    stopping = new AbortController()
  })

  it('goes on until the work succeeds, with longer and longer pauses', async () => {
    let attempts = 0
    const done = retry(failing(3), { ...options(), recovered: (all) => (attempts = all) })
    await clock.advance(10_000)
    expect(await done).to.equal('after 4')
    expect(attempts).to.equal(4)
    expect(failures.map(({ attempt, pauseMs }) => [attempt, pauseMs])).to.deep.equal([
      [1, 100],
      [2, 200],
      [3, 400],
    ])
  })

  it('throws what waiting does not help against', async () => {
    const cause = await retry(failing(1), { ...options(), again: () => false }).catch((error: unknown) => error)
    expect(cause).to.be.instanceOf(Error)
    expect(failures).to.deep.equal([])
  })

  it('ends in the middle of a pause when it is told to stop', async () => {
    const done = retry(failing(9), options()).catch((cause: unknown) => cause)
    await settled()
    stopping.abort(new Error('stopping'))
    expect(await done).to.equal(stopping.signal.reason)
    expect(failures).to.have.length(1)
  })

  it('gives up, and says nothing, once the work is not wanted any more', async () => {
    let wanted = true
    const work = async (): Promise<string> => {
      wanted = false
      throw new Error('too late')
    }
    expect(await retryWhile(() => wanted, work, options())).to.equal(undefined)
    expect(await retryWhile(() => wanted, failing(0), options())).to.equal(undefined)
    expect(failures).to.deep.equal([])
  })
})
