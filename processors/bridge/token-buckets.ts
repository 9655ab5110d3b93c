/** How many messages a device may send. */
export interface RateLimit {
  /** Sustained: tokens that come back each second. */
  readonly messagesPerSecond: number
  /** At once, after a silence: the size of the bucket. A whole number of at least 1. */
  readonly burst: number
}

/** A token bucket for each device. */
export interface TokenBuckets {
  /**
   * Milliseconds until a message of the device has its token: 0 where it has it now. The token is taken, unless the wait is longer than
   * `longestWaitMs`: then nothing is taken, and Infinity returned.
   * @param nowMs of a clock that does not go back
   */
  take(device: string, nowMs: number, longestWaitMs: number): number
  /** Devices of which the bucket is not known to be full. */
  readonly size: number
}

const MILLIS_PER_SECOND = 1000
/** Full buckets are forgotten when there are this many. */
const REMEMBERED = 100_000
/** Share of a token that is no difference. */
const ROUNDING = 1e-6

/**
 * The bucket as a single number, the time at which it will be full again (the generic cell rate algorithm, ITU-T I.371): a message moves it
 * on by one token's time, and has to wait until it is no further away than a whole bucket.
 */
export function createTokenBuckets({ messagesPerSecond, burst }: RateLimit, remembered = REMEMBERED): TokenBuckets {
  const tokenMs = MILLIS_PER_SECOND / messagesPerSecond
  const bucketMs = burst * tokenMs
  const fullAt = new Map<string, number>()
  let forgetAt = remembered

  function forgetFull(nowMs: number): void {
    for (const [device, at] of fullAt) if (at <= nowMs) fullAt.delete(device)
    // Where few were full, the next look must not come with each new device.
    forgetAt = Math.max(remembered, 2 * fullAt.size)
  }

  return {
    take(device, nowMs, longestWaitMs) {
      const full = Math.max(fullAt.get(device) ?? nowMs, nowMs) + tokenMs
      const waitMs = Math.max(0, full - bucketMs - nowMs)
      // Sums of fractions: a token that is there but for the last bits is there.
      const due = waitMs < tokenMs * ROUNDING ? 0 : waitMs
      if (due > longestWaitMs + tokenMs * ROUNDING) return Number.POSITIVE_INFINITY
      if (fullAt.size >= forgetAt) forgetFull(nowMs)
      fullAt.set(device, full)
      return due
    },
    get size() {
      return fullAt.size
    },
  }
}
