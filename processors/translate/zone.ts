import { zoneOffset } from '../../schemas/zone-offset.ts'

/** The time of a local time of day, as it would be in UTC; all in microseconds since 1970. */
export type LocalTime = (localMicros: number, receivedMicros: number) => number

const MICROS_PER_MS = 1_000
const DAY_MS = 86_400_000
const TOLERANCE_MICROS = 600_000_000
/** Beyond, the calendar has other rules, and a row has no such time. */
const LATEST_MS = 2 ** 52 / MICROS_PER_MS

/**
 * Local time of an IANA zone.
 *
 * In autumn an hour comes twice. Of the two times the later one counts, unless it is more than 10
 * minutes after the receipt: a message that comes at once is so always right, and one that was
 * queued for an hour is taken for an hour younger. In spring an hour is left out. A device that
 * shows a time of it has not put its clock forward yet, so the offset before counts.
 * @param zone IANA name
 */
export function localTimeOf(zone: string): LocalTime {
  const offsetMs = zoneOffset(zone)
  return (localMicros, receivedMicros) => {
    const localMs = Math.floor(localMicros / MICROS_PER_MS)
    if (!(localMs >= 0 && localMs < LATEST_MS)) return Number.NaN
    const before = offsetMs(localMs - DAY_MS)
    const after = offsetMs(localMs + DAY_MS)
    const early = localMicros - before * MICROS_PER_MS
    if (before === after) return early
    const late = localMicros - after * MICROS_PER_MS
    const isEarly = offsetMs(localMs - before) === before
    const isLate = offsetMs(localMs - after) === after
    if (isEarly && isLate) {
      const latest = Math.max(early, late)
      return latest <= receivedMicros + TOLERANCE_MICROS ? latest : Math.min(early, late)
    }
    return isLate ? late : early
  }
}
