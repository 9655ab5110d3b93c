/**
 * Times for samples that came without: the moment of receipt, but strictly later than the last one
 * of the same device.
 */
export interface EstimatedTimes {
  /**
   * Takes as many times for a device, a microsecond apart.
   * @param receivedMicros since 1970
   * @returns the first
   */
  take(device: string, receivedMicros: number, count: number): number
  /** Devices that are remembered. */
  readonly size: number
}

/** Those of which the last time is past are forgotten when there are this many. */
const REMEMBERED = 100_000

/**
 * What was queued while the bridge was away arrives within a millisecond, and rows of one device
 * and time are one row. The last time is kept in memory only: it runs ahead of the clock by a
 * microsecond a sample, which is over before another bridge can go on in this one's place.
 */
export function createEstimatedTimes(remembered = REMEMBERED): EstimatedTimes {
  const next = new Map<string, number>()
  let forgetAt = remembered

  function forgetPast(nowMicros: number): void {
    for (const [device, micros] of next) if (micros <= nowMicros) next.delete(device)
    // If few were past, the next look must not come with each new device.
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
