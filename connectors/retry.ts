import { BACKOFF, type Backoff, Failures } from './backoff.ts'
import type { Clock } from './clock.ts'

/** One attempt that failed. */
export interface FailedAttempt {
  readonly cause: unknown
  /** From 1. */
  readonly attempt: number
  /** Until the next one. */
  readonly pauseMs: number
}

export interface RetryOptions {
  readonly clock: Pick<Clock, 'random' | 'delay'>
  /** Aborted, it ends the wait: nothing is tried after that. */
  readonly signal: AbortSignal
  /** `BACKOFF` unless told otherwise. */
  readonly backoff?: Backoff
  /** Whether waiting may help against an error; if not, it is thrown. Always unless told. */
  readonly again?: (cause: unknown) => boolean
  /** Told of every failure that is followed by another attempt, and waited for. */
  readonly failed: (failure: FailedAttempt) => void | Promise<void>
  /** Told when work succeeds that had failed before. */
  readonly recovered?: (attempts: number) => void
}

/**
 * Does work until it succeeds, with a pause after each failure.
 * @throws what `again` says that waiting does not help against; the signal's reason once it is
 *   aborted
 */
export async function retry<Result>(work: () => Promise<Result>, options: RetryOptions): Promise<Result> {
  // `wanted` is always true: an undefined result is the work's own.
  return (await retryWhile(() => true, work, options)) as Result
}

/**
 * As `retry`, for as long as the work is wanted. Undefined if it is not, or is no longer when an
 * attempt has failed.
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
