/**
 * The moments at which clocks of a zone show a local time: none in the hour that is left out in
 * spring, two in the hour that comes twice in autumn, the earlier one first.
 * @param localMs the local time as if it were UTC, milliseconds since 1970
 */
export type MomentsOf = (localMs: number) => readonly number[]

const DAY_MS = 86_400_000
/** No zone changes its offset within a quarter of an hour. */
const SLOT_MS = 900_000
const MOST_SLOTS = 100_000

/** @throws RangeError for a name that is no zone */
export function zoneMoments(zone: string): MomentsOf {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  // Asking Intl takes longer than all the rest of a line.
  const offsets = new Map<number, number>()

  function offsetAt(ms: number): number {
    const slot = Math.floor(ms / SLOT_MS)
    let offset = offsets.get(slot)
    if (offset === undefined) {
      if (offsets.size >= MOST_SLOTS) offsets.clear()
      offset = offsetOf(format, slot * SLOT_MS)
      offsets.set(slot, offset)
    }
    return offset
  }

  return (localMs) => {
    const candidates = [localMs - offsetAt(localMs - DAY_MS), localMs - offsetAt(localMs + DAY_MS)]
    const moments = candidates.filter((ms) => ms + offsetAt(ms) === localMs)
    return [...new Set(moments)].sort((a, b) => a - b)
  }
}

function offsetOf(format: Intl.DateTimeFormat, ms: number): number {
  const parts: Record<string, number> = {}
  for (const { type, value } of format.formatToParts(ms)) parts[type] = Number(value)
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts
  return Date.UTC(year, month - 1, day, hour, minute, second) - ms
}
