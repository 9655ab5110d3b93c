import type { DeadLetter } from './dead-letter.ts'

/**
 * Reason of standardise and of the store: the time of a sample is too far from that of its receipt.
 * One of the two is wrong.
 */
export const TIME_OUT_OF_RANGE = 'time-out-of-range'

const DAY_MS = 86_400_000
const MINUTE_MS = 60_000

/**
 * When a redriven record counts as received, in milliseconds since 1970: at its receipt, unless the
 * time of receipt was wrong. A bridge whose clock is slow by more than a day makes dead letters of
 * good samples. The time of receipt was wrong if the processor, by its own clock, refused the
 * record more than a day after it, or before it. It also counts as wrong if the redrive is
 * restricted to this reason. Then the record counts as received now.
 * @param reason that the redrive is restricted to
 */
export function receiptOf({ source_timestamp, first_failed, reason }: DeadLetter, nowMs: number, chosen: string | undefined): number {
  if (source_timestamp > nowMs + MINUTE_MS) return nowMs
  if (reason !== TIME_OUT_OF_RANGE) return source_timestamp
  const waitedMs = first_failed - source_timestamp
  const isSane = waitedMs <= DAY_MS && waitedMs >= -MINUTE_MS
  return isSane && chosen !== TIME_OUT_OF_RANGE ? source_timestamp : nowMs
}
