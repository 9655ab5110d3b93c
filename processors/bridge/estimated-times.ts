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

/** A message with more is refused (processors/translate/reasons.ts). */
const MOST_SAMPLES_COUNTED = 10_000
const BRACE = 0x7b
const BRACKET = 0x5b
const COMMA = 0x2c

/**
 * How many samples a message can have at most, without decoding it. In JSON every value of an array
 * or object stands behind a comma or an opening bracket; in any other encoding it takes a byte.
 */
export function mostSamples(payload: Buffer): number {
  let start = 0
  while (start < payload.length && (payload[start] as number) <= 0x20) start++
  const first = payload[start]
  if (first !== BRACE && first !== BRACKET) return Math.min(Math.max(payload.length, 1), MOST_SAMPLES_COUNTED)
  let values = 1
  for (let at = start; at < payload.length; at++) {
    const byte = payload[at]
    if (byte === COMMA || byte === BRACE || byte === BRACKET) values++
  }
  return Math.min(values, MOST_SAMPLES_COUNTED)
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
