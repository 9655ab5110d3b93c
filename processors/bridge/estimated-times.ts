/**
 * Times for samples that came without one: the moment of receipt, but strictly later than the last
 * one of the same device.
 */
export interface EstimatedTimes {
  /**
   * Takes `count` times for a device, a microsecond apart.
   * @param receivedMicros since 1970
   * @returns the first
   */
  take(device: string, receivedMicros: number, count: number): number
  /** Devices that are remembered. */
  readonly size: number
}

/** At this many devices, those whose last time is past are forgotten. */
const REMEMBERED = 100_000

/**
 * Messages that were queued while the bridge was away arrive within a millisecond, and rows of one
 * device and time are one row: so the times must differ. The last time is kept in memory only. It
 * runs ahead of the clock by a microsecond a sample, and the clock has passed it before another
 * bridge can take this one's place.
 */
export function createEstimatedTimes(remembered = REMEMBERED): EstimatedTimes {
  const next = new Map<string, number>()
  let forgetAt = remembered

  function forgetPast(nowMicros: number): void {
    for (const [device, micros] of next) if (micros <= nowMicros) next.delete(device)
    // If few were past, the next look must not come with the next new device.
    forgetAt = Math.max(remembered, 2 * next.size)
  }

  return {
    take(device, receivedMicros, count) {
      const first = Math.max(receivedMicros, next.get(device) ?? 0)
      if (next.size >= forgetAt) forgetPast(receivedMicros)
      next.set(device, first + count)
      return first
    },
    get size() {
      return next.size
    },
  }
}
