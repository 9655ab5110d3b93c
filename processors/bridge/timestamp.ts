const ISO_8601 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,12}))?)?(?:Z|([+-])(\d\d):?(\d\d))$/
/** Frames carry the time as a zigzag varint whose double must be exact. */
const LIMIT_MS = 2 ** 52

/**
 * Reads a time of JSON telemetry: ISO 8601 with an offset or Z, or milliseconds since 1970 as a number. Digits finer than a millisecond
 * are cut off. Text without an offset is refused: whose time of day it is cannot be known.
 * @returns milliseconds since 1970; undefined where it is no time
 */
export function parseTimestamp(value: unknown): number | undefined {
  if (typeof value === 'number') return Math.abs(value) < LIMIT_MS ? Math.floor(value) : undefined
  const match = typeof value === 'string' ? ISO_8601.exec(value) : null
  if (match === null) return undefined
  const [, year, month, day, hour, minute, second = '0', fraction = '', sign, offsetHour = '0', offsetMinute = '0'] = match
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59 || Number(offsetHour) > 23 || Number(offsetMinute) > 59)
    return undefined
  // Set one by one, as Date.UTC takes the years 0–99 for 1900–1999.
  const date = new Date(0)
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  // A day that its month does not have has moved on into the next.
  if (date.getUTCMonth() !== Number(month) - 1 || date.getUTCDate() !== Number(day)) return undefined
  date.setUTCHours(Number(hour), Number(minute), Number(second), Number(fraction.padEnd(3, '0').slice(0, 3)))
  const offsetMs = (Number(offsetHour) * 60 + Number(offsetMinute)) * 60_000
  return date.getTime() - (sign === '-' ? -offsetMs : offsetMs)
}
