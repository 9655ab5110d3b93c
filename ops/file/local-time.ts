import { zoneOffset } from '../../schemas/zone-offset.ts'

/**
 * The moments at which clocks of a zone show a local time: none in the hour that is left out in
 * spring, two in the hour that comes twice in autumn, the earlier one first.
 * @param localMs the local time as if it were UTC, milliseconds since 1970
 */
export type MomentsOf = (localMs: number) => readonly number[]

const DAY_MS = 86_400_000

/** @throws RangeError for a name that is no zone */
export function zoneMoments(zone: string): MomentsOf {
  const offsetAt = zoneOffset(zone)
  return (localMs) => {
    const candidates = [localMs - offsetAt(localMs - DAY_MS), localMs - offsetAt(localMs + DAY_MS)]
    const moments = candidates.filter((ms) => ms + offsetAt(ms) === localMs)
    return [...new Set(moments)].sort((a, b) => a - b)
  }
}
