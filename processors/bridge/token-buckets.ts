/** How much a device may send. */
export interface RateLimit {
  /** Sustained: tokens that come back each second. */
  readonly messagesPerSecond: number
  /** At once, after a silence: the size of the bucket. A whole number of at least 1. */
  readonly burst: number
  readonly bytesPerSecond: number
  /** A larger message never passes. */
  readonly burstBytes: number
}

/** Two token buckets for each device: one of messages, one of bytes. */
export interface TokenBuckets {
  /**
   * Milliseconds until a message of the device has its tokens: 0 if it has them now. The tokens are
   * taken. If the wait is longer than `longestWaitMs`, nothing is taken, and Infinity is returned.
   * @param nowMs of a clock that does not go back
   */
  take(device: string, bytes: number, nowMs: number, longestWaitMs: number): number
  /** Devices whose buckets may not be full. */
  readonly size: number
}

interface Buckets {
  messagesFullAt: number
  bytesFullAt: number
}

const MILLIS_PER_SECOND = 1000
/**
 * Most devices remembered. At this many, full buckets are forgotten, and then, if need be, those of
 * the devices that came first.
 */
const REMEMBERED = 100_000
/** A share of a token this small counts as no difference. */
const ROUNDING = 1e-6

/**
 * Each bucket is a single number: the time at which it will be full again (the generic cell rate
 * algorithm, ITU-T I.371). A message adds the time of its tokens to it, and must wait until it is
 * no further away than a whole bucket.
 */
export function createTokenBuckets(limit: RateLimit, remembered = REMEMBERED): TokenBuckets {
  const messageMs = MILLIS_PER_SECOND / limit.messagesPerSecond
  const messagesMs = limit.burst * messageMs
  const byteMs = MILLIS_PER_SECOND / limit.bytesPerSecond
  const bytesMs = limit.burstBytes * byteMs
  const devices = new Map<string, Buckets>()

  function forget(nowMs: number): void {
    for (const [device, { messagesFullAt, bytesFullAt }] of devices)
      if (messagesFullAt <= nowMs && bytesFullAt <= nowMs) devices.delete(device)
    // If few were full, the next look must not come with the next new device. A device that is
    // forgotten has full buckets again, so nobody gets less.
    let excess = devices.size - remembered / 2
    for (const device of devices.keys()) {
      if (excess-- <= 0) break
      devices.delete(device)
    }
  }

  return {
    take(device, bytes, nowMs, longestWaitMs) {
      const before = devices.get(device)
      const messagesFullAt = Math.max(before?.messagesFullAt ?? nowMs, nowMs) + messageMs
      const bytesFullAt = Math.max(before?.bytesFullAt ?? nowMs, nowMs) + bytes * byteMs
      const waitMs = Math.max(0, messagesFullAt - messagesMs - nowMs, bytesFullAt - bytesMs - nowMs)
      // Sums of fractions are inexact: a token that lacks only the last bits is there.
      const due = waitMs < messageMs * ROUNDING ? 0 : waitMs
      if (due > longestWaitMs + messageMs * ROUNDING) return Number.POSITIVE_INFINITY
      if (before === undefined) {
        if (devices.size >= remembered) forget(nowMs)
        devices.set(device, { messagesFullAt, bytesFullAt })
      } else {
        before.messagesFullAt = messagesFullAt
        before.bytesFullAt = bytesFullAt
      }
      return due
    },
    get size() {
      return devices.size
    },
  }
}
