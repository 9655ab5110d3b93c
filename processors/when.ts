const UNITS_MS: ReadonlyMap<string, number> = new Map([
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])

/** RFC 3339, seconds and their fraction left out or not. */
const TIME = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?:[Zz]|([+-])(\d\d)(?::?(\d\d))?)$/
/** No place on earth is further ahead of UTC, or behind it. */
const MOST_AHEAD_MINUTES = 14 * 60
const MOST_BEHIND_MINUTES = 12 * 60
/** The year 1. */
const EARLIEST_MS = -62_135_596_800_000

/** What `parseMoment` takes, for messages. */
export const MOMENT_EXPECTED =
  'expected a time with its zone, as in 2026-11-23T04:00:00Z or 2026-11-23T05:00+01:00, or an age, as in 90s, 15m, 2h or 3d'

/**
 * A moment as people give it: a time with its zone (RFC 3339), or an age. A time without a zone is
 * refused, since nobody can know whose time of day it is. So is a time that no calendar or clock
 * shows.
 * @returns milliseconds since 1970; undefined if it is neither
 */
export function parseMoment(text: string, nowMs: number): number | undefined {
  const age = /^(\d{1,9})([smhd])$/.exec(text)
  const ms = age === null ? parseTime(text) : nowMs - Number(age[1]) * (UNITS_MS.get(age[2] as string) as number)
  return ms === undefined || ms < EARLIEST_MS ? undefined : ms
}

function parseTime(text: string): number | undefined {
  const match = TIME.exec(text)
  if (match === null) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((digits) => Number(digits ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const [, , , , , , , fraction = '', sign, zoneHour = '0', zoneMinute = '0'] = match
  if (hour > 23 || minute > 59 || second > 59 || Number(zoneMinute) > 59) return undefined
  const ahead = (sign === '-' ? -1 : 1) * (Number(zoneHour) * 60 + Number(zoneMinute))
  if (ahead > MOST_AHEAD_MINUTES || ahead < -MOST_BEHIND_MINUTES) return undefined
  // Set one by one: Date.UTC takes the years 0 to 99 for 1900 to 1999.
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  // A day that its month does not have has moved on into the next.
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined
  date.setUTCHours(hour, minute, second, Number(fraction.padEnd(3, '0').slice(0, 3)))
  return date.getTime() - ahead * 60_000
}
