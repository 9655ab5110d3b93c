import { clocks, type Firmware } from '../../schemas/firmware.ts'
import { clockOf, FrameReader, MalformedError } from '../../schemas/frame-reader.ts'
import { hasWireHeader, schemaIdOf, WIRE_BYTES, type WireValue } from '../../schemas/wire-format.ts'
import { type DeviceId, type KafkaRecord, type Lookups, parseDeviceId } from '../contract.ts'
import { fingerprintOf } from '../fingerprint-header.ts'

/**
 * A boot of a device that does not know the time of day, and when it began as far as one of its
 * frames can tell.
 */
export interface UptimeBoot {
  readonly device: DeviceId
  readonly boot: number
  /** Microseconds since 1970: the receipt of the frame, less the uptime of its newest sample. */
  readonly beganMicros: number
}

const MICROS_PER_MILLI = 1000
/** Longer than any device runs: its counter is broken. */
export const LONGEST_UPTIME_MICROS = 3_653 * 86_400_000_000

/**
 * False for the bridge's own frames. Before they could carry an estimated time they were UPTIME
 * frames of boot 0, with all uptimes 0. Each of those gets the time of its receipt.
 */
export function countsBoots({ id }: Firmware): boolean {
  return id !== 'generic-json'
}

const readers = new WeakMap<Firmware, FrameReader>()

/**
 * The boots that need an anchor before these records can be handled. If there are several frames of
 * one boot, the one that was on its way for the shortest time counts. No frame arrives before it
 * was sent, so the earliest beginning is the best estimate.
 */
export function uptimeBoots(records: readonly KafkaRecord[], lookups: Pick<Lookups, 'firmware'>): readonly UptimeBoot[] {
  const boots = new Map<string, UptimeBoot>()
  for (const record of records) {
    // Every frame gets this look, and nearly none has an uptime.
    if (!hasWireHeader(record.value) || clockOf(record.value, WIRE_BYTES) !== clocks.uptime) continue
    const found = uptimeBoot(record, record.value, lookups)
    if (found === undefined) continue
    const key = `${found.device}/${found.boot}`
    if (found.beganMicros < (boots.get(key)?.beganMicros ?? Number.POSITIVE_INFINITY)) boots.set(key, found)
  }
  return [...boots.values()]
}

function uptimeBoot(record: KafkaRecord, value: WireValue, lookups: Pick<Lookups, 'firmware'>): UptimeBoot | undefined {
  const { key, timestampMs } = record
  const device = key === null ? undefined : parseDeviceId(key.toString('latin1'))
  const found = lookups.firmware(schemaIdOf(value), fingerprintOf(record))
  if (device === undefined || found.tag !== 'known' || !countsBoots(found.firmware)) return undefined
  const reader = readerOf(found.firmware)
  try {
    reader.read(value, WIRE_BYTES)
  } catch (cause) {
    // The processor refuses it, and not for its time.
    if (cause instanceof MalformedError) return undefined
    throw cause
  }
  const { count, clock, base, boot, elapsed } = reader
  if (count === 0 || clock !== clocks.uptime) return undefined
  const uptimeMicros = (base + (elapsed[count - 1] as number)) * found.firmware.tickMicros
  if (!(uptimeMicros >= 0 && uptimeMicros <= LONGEST_UPTIME_MICROS)) return undefined
  return { device, boot, beganMicros: timestampMs * MICROS_PER_MILLI - uptimeMicros }
}

function readerOf(firmware: Firmware): FrameReader {
  let reader = readers.get(firmware)
  if (reader === undefined) {
    reader = new FrameReader(firmware)
    readers.set(firmware, reader)
  }
  return reader
}
