/** Bounds of the waits between attempts. */
export interface BackoffLimits {
  readonly firstMs: number
  readonly longestMs: number
}

/**
 * How long to wait before an attempt, with full jitter: evenly between 0 and firstMs × 2^attempt, at most longestMs
 * (Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015). Clients that lost the same server do not return in step.
 * @param attempt failures so far, from 0
 * @param random in [0, 1)
 */
export function fullJitterMs(attempt: number, limits: BackoffLimits, random: number): number {
  const ceiling = Math.min(limits.longestMs, limits.firstMs * 2 ** Math.min(attempt, 30))
  return Math.floor(random * ceiling)
}
