/**
 * Which times of samples are taken, in days before and after their receipt. Each day is a chunk or
 * a partition of table `readings`, so this bounds these too: there are at most 3,655, whatever
 * devices send. Old data needs more: `time.oldest_years` of the configuration.
 */
export const OLDEST_DAYS = 3_653
export const NEWEST_DAYS = 1

const DAYS_PER_YEAR = 365.25

/** Days of so many years: `OLDEST_DAYS` of ten. */
export function daysOfYears(years: number): number {
  return Math.ceil(years * DAYS_PER_YEAR)
}

/**
 * Days (UTC) that the samples of one frame may fall on. A new chunk of TimescaleDB takes 11 locks
 * of its transaction, and a server with PostgreSQL's defaults has 6,400 in all: a frame of 3,600
 * samples a day apart could never be stored. One sample a day for three months fits.
 */
export const MOST_DAYS = 100

const MICROS_PER_DAY = 86_400_000_000

/**
 * How many days the samples that are not excluded fall on, if these are more than `MOST_DAYS`; else
 * 0.
 * @param ts microseconds since 1970
 */
export function tooManyDays(ts: Float64Array, excluded: Uint8Array, count: number): number {
  let least = Infinity
  let greatest = -Infinity
  for (let sample = 0; sample < count; sample++) {
    const time = ts[sample] as number
    if (excluded[sample] === 1) continue
    if (time < least) least = time
    if (time > greatest) greatest = time
  }
  // For nearly every frame the span alone tells.
  if (!(greatest - least >= (MOST_DAYS - 1) * MICROS_PER_DAY)) return 0
  const days = new Set<number>()
  for (let sample = 0; sample < count; sample++) {
    if (excluded[sample] === 0) days.add(Math.floor((ts[sample] as number) / MICROS_PER_DAY))
  }
  return days.size > MOST_DAYS ? days.size : 0
}
