/** A value, and the time of its sample in microseconds since 1970. */
export interface Timed {
  readonly value: number
  readonly at: number
}

/** What a record of readings says of its device. Times: microseconds since 1970. */
export interface Contact {
  /** When the bridge received it. */
  readonly received: number
  /** Null for a device that counts no boots. */
  readonly boot: number | null
  readonly firmware: string
  /** Time of its newest sample; null if it has none that can be true. */
  readonly sampleAt: number | null
  readonly batteryVoltage: Timed | null
  readonly batteryLevel: Timed | null
}

/** What is known of a device from its readings. */
export interface KnownContact extends Contact {
  /** When the first readings of its boot were received; null without a boot. */
  readonly bootAt: number | null
  /** The lowest since the counter was last reset. */
  readonly lowestBoot: number | null
}

/**
 * What is newer than what is written by less than this is not written: a device that sends each
 * second costs a write in ten seconds, not one each batch. The newest sample and battery values
 * likewise, by the times of samples.
 */
export const EXACT_TO_MICROS = 10_000_000

/**
 * What is known after a record. One that was received before what is known is late or a repeat, and
 * changes nothing. One that was received with it is a part of the same frame. A boot is followed if
 * it is later, or below all since the last reset, as that of a status is
 * (processors/devices/status.ts). What is in between is over: a device sends late what it could not
 * send before, though it was heard.
 */
export function applyContact(known: KnownContact | undefined, contact: Contact): KnownContact {
  const { received, boot, firmware } = contact
  if (known === undefined) return { ...contact, bootAt: boot === null ? null : received, lowestBoot: boot }
  if (received < known.received) return known
  const next = {
    ...known,
    received,
    sampleAt: latest(known.sampleAt, contact.sampleAt),
    batteryVoltage: newer(known.batteryVoltage, contact.batteryVoltage),
    batteryLevel: newer(known.batteryLevel, contact.batteryLevel),
  }
  if (received === known.received) return next
  if (boot === null || boot === known.boot) return known.boot === boot ? { ...next, firmware } : next
  const reset = known.lowestBoot === null || boot < known.lowestBoot
  if (known.boot !== null && boot < known.boot && !reset) return next
  return { ...next, firmware, boot, bootAt: received, lowestBoot: reset ? boot : known.lowestBoot }
}

/** Whether what is known has changed by enough to be written. */
export function isDue(written: KnownContact | undefined, known: KnownContact): boolean {
  if (written === undefined) return true
  return (
    known.received - written.received >= EXACT_TO_MICROS ||
    // Not its number: it may have changed to and fro.
    known.bootAt !== written.bootAt ||
    known.firmware !== written.firmware ||
    isNewerByEnough(written.sampleAt, known.sampleAt) ||
    isNewerByEnough(written.batteryVoltage?.at ?? null, known.batteryVoltage?.at ?? null) ||
    isNewerByEnough(written.batteryLevel?.at ?? null, known.batteryLevel?.at ?? null)
  )
}

function isNewerByEnough(written: number | null, known: number | null): boolean {
  return known !== null && (written === null || known - written >= EXACT_TO_MICROS)
}

function newer(a: Timed | null, b: Timed | null): Timed | null {
  return a === null || (b !== null && b.at > a.at) ? b : a
}

function latest(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b)
}
