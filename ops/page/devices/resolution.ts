const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
export const HOUR_MS = 60 * MINUTE_MS
export const DAY_MS = 24 * HOUR_MS

/** Lengths of time buckets. Each is a multiple of the one before, or nearly, and divides a week. */
const LENGTHS_MS: readonly number[] = [
  SECOND_MS,
  5 * SECOND_MS,
  15 * SECOND_MS,
  MINUTE_MS,
  5 * MINUTE_MS,
  15 * MINUTE_MS,
  HOUR_MS,
  3 * HOUR_MS,
  6 * HOUR_MS,
  DAY_MS,
  7 * DAY_MS,
]

/** Up to here a chart has the readings themselves. */
export const READINGS_MS = 2 * DAY_MS
/** Up to here it has hours, or several; beyond, days. */
const HOURS_MS = 60 * DAY_MS

/**
 * The shortest time bucket of which a span has no more than `points`. Buckets of less than an hour
 * are made from readings, so they are only for spans that are short enough for these; longer ones
 * take roll-ups.
 * @returns milliseconds
 */
export function bucketLength(spanMs: number, points: number): number {
  const least = spanMs <= READINGS_MS ? 0 : spanMs <= HOURS_MS ? HOUR_MS : DAY_MS
  return LENGTHS_MS.find((length) => length >= least && spanMs <= length * points) ?? (LENGTHS_MS.at(-1) as number)
}

/** The shortest bucket that a roll-up has and of which a span has no more than `points`. */
export function rollupLength(spanMs: number, points: number): number {
  return Math.max(HOUR_MS, bucketLength(spanMs, points))
}
