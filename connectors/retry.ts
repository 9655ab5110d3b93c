import { BACKOFF, type Backoff, Failures } from './backoff.ts'
import type { Clock } from './clock.ts'

/** A failed attempt. */
export interface FailedAttempt {
  readonly cause: unknown
  /** From 1. */
  readonly attempt: number
  /** Until the next one. */
  readonly pauseMs: number
}

export interface RetryOptions {
  readonly clock: Pick<Clock, 'random' | 'delay'>
  /** Once it is aborted, the wait ends and nothing more is tried. */
  readonly signal: AbortSignal
  /** Default: `BACKOFF`. */
  readonly backoff?: Backoff
  /**
   * Whether waiting may help against an error. If not, the error is thrown. Default: it always may.
   */
  readonly again?: (cause: unknown) => boolean
  /** Called after every failure that another attempt follows. The attempt waits for it. */
  readonly failed: (failure: FailedAttempt) => void | Promise<void>
  /** Called when the work succeeds after failures. */
  readonly recovered?: (attempts: number) => void
}

/**
 * Repeats work until it succeeds, with a pause after each failure.
 * @throws what `again` says that waiting does not help against; the signal's reason once it is
 *   aborted
 */
export async function retry<Result>(work: () => Promise<Result>, options: RetryOptions): Promise<Result> {
  // `wanted` is always true: an undefined result is the work's own.
  return (await retryWhile(() => true, work, options)) as Result
}

/**
 * As `retry`, but only while the work is wanted. Undefined if it is not wanted at the start or
 * after a failed attempt.
 */
export async function retryWhile<Result>(
  wanted: () => boolean,
  work: () => Promise<Result>,
  { clock, signal, backoff = BACKOFF, again = () => true, failed, recovered }: RetryOptions,
): Promise<Result | undefined> {
  const failures = new Failures(clock, backoff)
  while (wanted()) {
    signal.throwIfAborted()
    try {
      const result = await work()
      if (failures.count > 0) recovered?.(failures.count + 1)
      return result
    } catch (cause) {
      signal.throwIfAborted()
      if (!again(cause)) throw cause
      if (!wanted()) return undefined
      const pauseMs = failures.next()
      await failed({ cause, attempt: failures.count, pauseMs: Math.round(pauseMs) })
      await clock.delay(pauseMs, signal)
    }
  }
  return undefined
}
