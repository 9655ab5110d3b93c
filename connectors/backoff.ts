import type { Clock } from './clock.ts'

/** Bounds of the pauses between attempts, in milliseconds. */
export interface Backoff {
  readonly baseMs: number
  readonly maxMs: number
  /** Added to every pause; 0 unless told otherwise. */
  readonly leastMs?: number
}

/** Unless something else is said beside its use: an outage that is over is noticed within 5 s. */
export const BACKOFF: Backoff = { baseMs: 100, maxMs: 5_000 }

/**
 * For a partition that is read again from where it was: each time costs a fetch and the work on it,
 * and what refused it is a fault that a person fixes.
 */
export const READ_AGAIN: Backoff = { leastMs: 500, baseMs: 500, maxMs: 30_000 }

/**
 * Full jitter: a pause drawn evenly from [0, min(max, base × 2^attempt)), so that many clients do
 * not return at once. Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 * @param attempt failures so far, from 0
 * @param random gives numbers in [0, 1)
 */
export function backoffMs(attempt: number, { baseMs, maxMs, leastMs = 0 }: Backoff, random: () => number): number {
  return leastMs + random() * Math.min(maxMs, baseMs * 2 ** Math.min(attempt, 52))
}

/** Failures in a row, and the pause after each. */
export class Failures {
  /** Since the last success. */
  count = 0
  private readonly backoff: Backoff
  private readonly clock: Pick<Clock, 'random'>

  constructor(clock: Pick<Clock, 'random'>, backoff: Backoff = BACKOFF) {
    this.clock = clock
    this.backoff = backoff
  }

  /** Counts a failure. Returns how long to wait after it, in milliseconds. */
  next(): number {
    return backoffMs(this.count++, this.backoff, () => this.clock.random())
  }
}
