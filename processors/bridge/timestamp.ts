import { parseIso8601 } from '../iso8601.ts'

/**
 * Reads a time of JSON telemetry.
 *
 * Text is as in iso8601.ts, with its offset.
 *
 * A number counts from 1970. The digits before its point tell the unit: 10 digits are seconds, 13
 * are milliseconds. That is any time from 2001 to 2286. Another number of digits is refused, since
 * it could be anything.
 *
 * Text is cut off after the microsecond. A number is rounded, since a double does not hold every
 * decimal.
 * @returns microseconds since 1970; NaN if it is no time
 */
export function parseTimestamp(value: unknown): number {
  if (typeof value === 'number') return ofNumber(value)
  return typeof value === 'string' ? parseIso8601(value) : Number.NaN
}

function ofNumber(value: number): number {
  if (value >= 1e12 && value < 1e13) return Math.round(value * 1e3)
  if (value >= 1e9 && value < 1e10) return Math.round(value * 1e6)
  return Number.NaN
}
