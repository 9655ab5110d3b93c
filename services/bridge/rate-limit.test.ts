import { expect } from 'chai'
import type { Publish, PublishHandler } from '../../connectors/contract.ts'
import { BridgeCounters } from '../../processors/bridge/counters.ts'
import type { Received } from '../../processors/bridge/forward.ts'
import { createRouter, defaultRoutes, parseRoutes } from '../../processors/bridge/routes.ts'
import { createRateLimiter } from './rate-limit.ts'

describe('the rate limit of the bridge', () => {
  let nowMs: number
  let counters: BridgeCounters
  let forwarded: Received[]
  let fail: Error | undefined

  beforeEach(() => {
    nowMs = 1_000_000
    counters = new BridgeCounters()
    forwarded = []
    fail = undefined
  })

  /** Two a second, three at once. */
  const limiter = (longestDelayMs: number, now = () => nowMs): PublishHandler =>
    createRateLimiter({
      limit: { messagesPerSecond: 2, burst: 3, bytesPerSecond: 1e9, burstBytes: 1e9, longestDelayMs },
      route: createRouter(parseRoutes(defaultRoutes)),
      forward: async (messages) => {
        forwarded.push(...messages)
        if (fail !== undefined) throw fail
      },
      counters,
      now,
    })
  const publish = (device: string, text: string, retain = false): Publish => ({
    topic: `devices/${device}/telemetry`,
    payload: Buffer.from(text),
    retain,
    receivedMs: 1,
  })
  const several = (device: string, count: number): Publish[] =>
    Array.from({ length: count }, (_, index) => publish(device, `${device}${index}`))
  const texts = (overRate: boolean): string[] =>
    forwarded.filter((message) => (message.overRate ?? false) === overRate).map(({ payload }) => payload.toString())

  it('marks what is too much, loses nothing, and leaves other devices alone', async () => {
    const handle = limiter(0)
    await handle([...several('a', 5), ...several('b', 3)])
    expect(texts(false)).to.deep.equal(['a0', 'a1', 'a2', 'b0', 'b1', 'b2'])
    expect(texts(true)).to.deep.equal(['a3', 'a4'])
    nowMs += 1000
    await handle(several('a', 3))
    expect(texts(true)).to.have.length(3)
    expect(counters.delayed).to.equal(0)
  })

  it('counts telemetry and status of a device together, but nothing that the broker had retained', async () => {
    const handle = limiter(0)
    await handle([...several('a', 2), { ...publish('a', 's'), topic: 'devices/a/status' }, publish('a', 'over')])
    expect(texts(true)).to.deep.equal(['over'])
    await handle([publish('a', 'retained', true)])
    expect(texts(true)).to.deep.equal(['over'])
  })

  it('does not take for a device what matches no route', async () => {
    const handle = limiter(0)
    await handle(Array.from({ length: 9 }, () => ({ ...publish('a', 'x'), topic: 'elsewhere' })))
    expect(texts(true)).to.deep.equal([])
  })

  it('delays in order, acknowledges when all is forwarded, and dead-letters what would wait too long', async () => {
    const handle = limiter(1200, () => performance.now())
    const before = performance.now()
    let done = false
    const first = handle(several('a', 6)).then(() => (done = true))
    await handle([publish('b', 'b0')])
    expect(done).to.equal(false)
    expect(texts(false)).to.deep.equal(['a0', 'a1', 'a2', 'b0'])
    expect(texts(true)).to.deep.equal(['a5'])
    await first
    expect(performance.now() - before).to.be.within(990, 1500)
    expect(texts(false)).to.deep.equal(['a0', 'a1', 'a2', 'b0', 'a3', 'a4'])
    expect(counters.delayed).to.equal(2)
  })

  it('lets nothing overtake what is due, though its timer is late', async () => {
    const handle = limiter(1000)
    const first = handle(several('a', 4))
    nowMs += 10_000
    const second = handle([publish('a', 'later')])
    await Promise.all([first, second])
    expect(texts(false)).to.deep.equal(['a0', 'a1', 'a2', 'a3', 'later'])
  })

  it('fails for the messages that could not be forwarded, delayed or not', async () => {
    const handle = limiter(300, () => performance.now())
    const slow = createRateLimiter({
      limit: { messagesPerSecond: 10, burst: 1, bytesPerSecond: 1e9, burstBytes: 1e9, longestDelayMs: 300 },
      route: createRouter(parseRoutes(defaultRoutes)),
      forward: async (messages) => {
        if (messages.some(({ payload }) => payload.toString() === 'a1')) throw new Error('refused')
      },
      counters,
      now: () => performance.now(),
    })
    const outcome = await slow(several('a', 2)).catch((cause: unknown) => cause)
    expect(outcome).to.be.instanceOf(Error)
    fail = new Error('at once')
    expect(await handle([publish('b', 'x')]).catch((cause: unknown) => cause)).to.equal(fail)
  })
})
