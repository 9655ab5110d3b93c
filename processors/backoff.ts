/** Bounds of a backoff, in milliseconds. */
export interface Backoff {
  readonly baseMs: number
  readonly maxMs: number
}

/**
 * Full jitter: a pause drawn evenly from [0, min(max, base × 2^attempt)), so that many clients do
 * not return at once. Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 * @param attempt failures so far, from 0
 * @param random gives numbers in [0, 1)
 */
export function backoffMs(attempt: number, { baseMs, maxMs }: Backoff, random: () => number): number {
  return random() * Math.min(maxMs, baseMs * 2 ** Math.min(attempt, 52))
}
