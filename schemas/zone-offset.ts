const SLOT_MS = 900_000
const MOST_SLOTS = 10_000

/** How far the clocks of a zone are ahead of UTC at a moment; both in milliseconds. */
export type ZoneOffset = (ms: number) => number

/**
 * Remembers what it has found, because asking Intl takes longer than all the rest of a message. No
 * zone changes its offset within a quarter of an hour.
 * @param zone IANA name
 * @throws RangeError for a name that is no zone
 */
export function zoneOffset(zone: string): ZoneOffset {
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
  const offsets = new Map<number, number>()
  return (ms) => {
    const slot = Math.floor(ms / SLOT_MS)
    let offset = offsets.get(slot)
    if (offset === undefined) {
      if (offsets.size >= MOST_SLOTS) offsets.clear()
      offset = askOffset(format, slot * SLOT_MS)
      offsets.set(slot, offset)
    }
    return offset
  }
}

function askOffset(format: Intl.DateTimeFormat, ms: number): number {
  const parts: Record<string, number> = {}
  for (const { type, value } of format.formatToParts(ms)) parts[type] = Number(value)
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts
  return Date.UTC(year, month - 1, day, hour, minute, second) - ms
}
