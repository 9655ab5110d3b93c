const MICROS_PER_SECOND = 1_000_000
const SECONDS_PER_DAY = 86_400
const MICROS_PER_DAY = SECONDS_PER_DAY * MICROS_PER_SECOND
const ZERO = 0x30

/**
 * Reads RFC 3339, and a little more of ISO 8601: `T` or a blank between date and time, capitals or
 * not, seconds that may be left out, any number of decimals (what is below a microsecond is cut
 * off), an offset of `Z`, `+hh`, `+hhmm` or `+hh:mm`. A leap second is the second after it,
 * 24:00:00 the next day's midnight.
 * @param ofLocal gives the time of a text without offset, from what it would be in UTC; without it
 *   such a text is refused, since nobody can know whose time of day it is
 * @returns microseconds since 1970; NaN if it is no time
 */
export function parseIso8601(text: string, ofLocal?: (micros: number) => number): number {
  // By character codes: a regular expression with its groups takes longer than all the rest of a
  // small message.
  if (text.charCodeAt(4) !== 0x2d || text.charCodeAt(7) !== 0x2d || text.charCodeAt(13) !== 0x3a) return Number.NaN
  const between = text.charCodeAt(10)
  if (between !== 0x54 && between !== 0x74 && between !== 0x20) return Number.NaN
  const day = daysSince1970(two(text, 0) * 100 + two(text, 2), two(text, 5), two(text, 8))
  const hour = two(text, 11)
  const minute = two(text, 14)
  let at = 16
  let second = 0
  let fraction = 0
  if (text.charCodeAt(at) === 0x3a) {
    second = two(text, at + 1)
    at += 3
    if (text.charCodeAt(at) === 0x2e || text.charCodeAt(at) === 0x2c) {
      const from = ++at
      for (let unit = 100_000; isDigit(text.charCodeAt(at)); at++) {
        // The unit is 0 after the sixth digit, so the rest is cut off.
        fraction += (text.charCodeAt(at) - ZERO) * Math.floor(unit)
        unit /= 10
      }
      if (at === from) return Number.NaN
    }
  }
  const local = ofLocal !== undefined && at === text.length
  const offset = local ? 0 : offsetMinutes(text, at)
  if (!(hour < 24 && minute < 60 && second < 60) && !isEdge(hour, minute, second, fraction)) return Number.NaN
  const micros = day * MICROS_PER_DAY + ((hour * 60 + minute - offset) * 60 + second) * MICROS_PER_SECOND + fraction
  const time = local ? ofLocal(micros) : micros
  return second < 60 || followsLeapSecond(time) ? time : Number.NaN
}

/** A time in UTC, with all six digits below the second: Date has only three. */
export function iso8601(micros: number): string {
  const seconds = Math.floor(micros / MICROS_PER_SECOND)
  return `${new Date(seconds * 1000).toISOString().slice(0, -5)}.${String(micros - seconds * MICROS_PER_SECOND).padStart(6, '0')}Z`
}

/** The midnight that ends a day, or a leap second. */
function isEdge(hour: number, minute: number, second: number, fraction: number): boolean {
  return (hour === 24 && minute === 0 && second === 0 && fraction === 0) || (hour < 24 && minute < 60 && second === 60)
}

/** Leap seconds are the last of a month, in universal time (ITU-R TF.460). */
function followsLeapSecond(micros: number): boolean {
  const seconds = Math.floor(micros / MICROS_PER_SECOND)
  return seconds % SECONDS_PER_DAY === 0 && new Date(seconds * 1000).getUTCDate() === 1
}

/** Minutes of the offset that reaches from `at` to the end of the text; NaN if it is none. */
function offsetMinutes(text: string, at: number): number {
  const sign = text.charCodeAt(at)
  if (sign === 0x5a || sign === 0x7a) return text.length === at + 1 ? 0 : Number.NaN
  if (sign !== 0x2b && sign !== 0x2d) return Number.NaN
  const hours = two(text, at + 1)
  const rest = text.length - at - 3
  const colon = text.charCodeAt(at + 3) === 0x3a ? 1 : 0
  const minutes = rest === 0 ? 0 : rest === 2 + colon ? two(text, at + 3 + colon) : Number.NaN
  if (!(hours < 24 && minutes < 60)) return Number.NaN
  return sign === 0x2d ? -(hours * 60 + minutes) : hours * 60 + minutes
}

/** A number of two digits; NaN if there are none. */
function two(text: string, at: number): number {
  const tens = text.charCodeAt(at)
  const ones = text.charCodeAt(at + 1)
  return isDigit(tens) && isDigit(ones) ? (tens - ZERO) * 10 + ones - ZERO : Number.NaN
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= ZERO + 9
}

/**
 * Days of the Gregorian calendar. Years are counted from March on (Howard Hinnant,
 * "chrono-Compatible Low-Level Date Algorithms"). NaN if there is no such day.
 */
function daysSince1970(year: number, month: number, day: number): number {
  if (!(month >= 1 && month <= 12 && day >= 1 && day <= lengthOfMonth(year, month))) return Number.NaN
  const shifted = month > 2 ? year : year - 1
  const era = Math.floor(shifted / 400)
  const ofEra = shifted - era * 400
  const ofYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1
  return era * 146_097 + ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear - 719_468
}

function lengthOfMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}
