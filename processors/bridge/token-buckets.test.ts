import { expect } from 'chai'
import fc from 'fast-check'
import { createTokenBuckets as createBuckets, type RateLimit, type TokenBuckets } from './token-buckets.ts'

/** Milliseconds between messages. */
const arrivals = fc.array(fc.nat({ max: 400 }), { maxLength: 200 })

function times(gaps: readonly number[]): readonly number[] {
  let now = 1_000_000
  return gaps.map((gap) => {
    now += gap
    return now
  })
}

const NO_BYTES = { bytesPerSecond: 1e12, burstBytes: 1e12 }

/** Buckets of messages, which have no bytes. */
function createTokenBuckets(limit: Pick<RateLimit, 'messagesPerSecond' | 'burst'>, remembered?: number) {
  const buckets: TokenBuckets = createBuckets({ ...limit, ...NO_BYTES }, remembered)
  return {
    take: (device: string, nowMs: number, longestWaitMs: number): number => buckets.take(device, 0, nowMs, longestWaitMs),
    get size(): number {
      return buckets.size
    },
  }
}

describe('token buckets', () => {
  it('admit what a bucket admits that is counted token by token', () => {
    fc.assert(
      fc.property(arrivals, fc.integer({ min: 1, max: 8 }), fc.constantFrom(1, 4, 10, 50), (gaps, burst, messagesPerSecond) => {
        const buckets = createTokenBuckets({ messagesPerSecond, burst })
        let [tokens, last] = [burst, 1_000_000]
        for (const now of times(gaps)) {
          tokens = Math.min(burst, tokens + ((now - last) * messagesPerSecond) / 1000)
          last = now
          const admitted = tokens >= 1 - 1e-6
          if (admitted) tokens -= 1
          expect(buckets.take('a', now, 0)).to.equal(admitted ? 0 : Number.POSITIVE_INFINITY)
        }
      }),
    )
  })

  it('never let more through in any span than a burst and what came back in it, however long messages wait', () => {
    fc.assert(
      fc.property(arrivals, fc.integer({ min: 1, max: 8 }), fc.integer({ min: 0, max: 3000 }), (gaps, burst, longestWaitMs) => {
        const buckets = createTokenBuckets({ messagesPerSecond: 10, burst })
        const sent = times(gaps).flatMap((now) => {
          const waitMs = buckets.take('a', now, longestWaitMs)
          return Number.isFinite(waitMs) ? [now + waitMs] : []
        })
        expect(sent).to.deep.equal([...sent].sort((a, b) => a - b))
        for (let from = 0; from < sent.length; from++)
          for (let to = from; to < sent.length; to++)
            expect(to - from + 1).to.be.at.most(burst + (((sent[to] ?? 0) - (sent[from] ?? 0)) * 10) / 1000 + 1e-3)
      }),
    )
  })

  it('leave a device alone that keeps to its rate', () => {
    const buckets = createTokenBuckets({ messagesPerSecond: 3, burst: 1 })
    for (let message = 0; message < 1000; message++) expect(buckets.take('a', (message * 1000) / 3, 0)).to.equal(0)
  })

  it('keep devices apart', () => {
    const buckets = createTokenBuckets({ messagesPerSecond: 1, burst: 2 })
    expect(['a', 'a', 'a', 'b', 'b', 'b'].map((device) => buckets.take(device, 0, 0))).to.deep.equal([0, 0, Infinity, 0, 0, Infinity])
  })

  it('say how long a message has to wait, one token further each', () => {
    const buckets = createTokenBuckets({ messagesPerSecond: 2, burst: 1 })
    expect([1, 2, 3, 4].map(() => buckets.take('a', 0, 1000))).to.deep.equal([0, 500, 1000, Infinity])
    // What was refused took no token.
    expect(buckets.take('a', 500, 1000)).to.equal(1000)
  })

  it('forget the devices that are silent', () => {
    const buckets = createTokenBuckets({ messagesPerSecond: 1, burst: 1 }, 100)
    for (let device = 0; device < 10_000; device++) buckets.take(`d${device}`, device * 100, 0)
    expect(buckets.size).to.be.below(202)
  })

  it('count bytes beside messages: whichever is short decides', () => {
    const buckets = createBuckets({ messagesPerSecond: 10, burst: 5, bytesPerSecond: 1000, burstBytes: 3000 })
    expect([1000, 1000, 1000, 1000].map((bytes) => buckets.take('a', bytes, 0, 0))).to.deep.equal([0, 0, 0, Infinity])
    expect(buckets.take('a', 0, 0, 0), 'a message without bytes').to.equal(0)
    expect(buckets.take('a', 500, 500, 0)).to.equal(0)
    expect(buckets.take('a', 500, 500, 1000)).to.equal(500)
    expect(buckets.take('b', 3001, 0, 0), 'larger than the bucket').to.equal(Infinity)
  })

  it('do not grow, though no bucket is full', () => {
    const buckets = createTokenBuckets({ messagesPerSecond: 0.001, burst: 1 }, 100)
    for (let device = 0; device < 10_000; device++) expect(buckets.take(`d${device}`, device, 0)).to.equal(0)
    expect(buckets.size).to.be.at.most(100)
    expect(buckets.take('d9999', 10_000, 0), 'the newest are remembered').to.equal(Infinity)
  })
})
