import type { Firmware } from '../../schemas/firmware.ts'
import { MalformedError, TooManySamplesError } from '../../schemas/frame-reader.ts'
import { requireWireHeader, schemaIdOf, WIRE_BYTES } from '../../schemas/wire-format.ts'
import { defineProcessor, emit, type Outcome, parseDeviceId, type RecordPart, reject, type Source } from '../contract.ts'
import { fingerprintOf } from '../fingerprint-header.ts'
import { MOST_DAYS } from '../time-bounds.ts'
import { readings, topics } from '../topics.ts'
import { FrameConverter } from './frame-converter.ts'
import { type Reason, reasons } from './reasons.ts'

/** A frame in the registry's wire format. */
interface FrameRecord {
  readonly key: Buffer | null
  readonly bytes: Buffer
  readonly schemaId: number
  /**
   * Fingerprint of the schema that it was written with; undefined for a record that did not come
   * through the bridge.
   */
  readonly fingerprint: Buffer | undefined
  readonly receivedMs: number
  /** The part of the frame that a redrive is about. */
  readonly only: RecordPart | undefined
}

const frames: Source<FrameRecord> = {
  topic: topics.frames,
  decode: (record, _lookups, each) => {
    const { key, timestampMs, only } = record
    const value = requireWireHeader(record.value)
    const fingerprint = fingerprintOf(record)
    each({ key, bytes: value, schemaId: schemaIdOf(value), fingerprint, receivedMs: timestampMs, only }, null)
  },
}

const AGAIN = 'once it has (millrace schemas register FILE): millrace redrive standardise --reason unknown-schema'
const CORRECTED = 'once it is corrected (millrace schemas register FILE): millrace redrive standardise --reason bad-firmware-schema'

/**
 * Converters by firmware: a new version of a firmware's attributes is another object, and gets
 * another converter.
 */
const standards = new WeakMap<Firmware, FrameConverter>()

function standardsOf(firmware: Firmware): FrameConverter {
  let found = standards.get(firmware)
  if (found === undefined) {
    found = new FrameConverter(firmware)
    standards.set(firmware, found)
  }
  return found
}

/**
 * Standardise ▸ enrich: frames in any firmware's units become readings in standard units, with
 * account and site as of the reading's own time. Its output is a pure function of the frame, its
 * time of receipt, the firmware's newest attributes, the assignments, and the anchor of its boot.
 */
export const processor = defineProcessor({
  from: frames,
  to: { readings },
  needs: ['firmware', 'assignments', 'anchor'],
  reasons,
  metricsPort: 9466,
  handle: ({ key, bytes, schemaId, fingerprint, receivedMs, only }, lookups) => {
    const device = key === null ? undefined : parseDeviceId(key.toString('latin1'))
    if (key === null || device === undefined)
      return reject('bad-key', `expected a device ID, got ${JSON.stringify(key?.toString('latin1') ?? null)}`)
    const found = lookups.firmware(schemaId, fingerprint)
    if (found.tag === 'unknown') return reject('unknown-schema', `${found.detail ?? `the registry has no schema ${schemaId}`}; ${AGAIN}`)
    if (found.tag === 'invalid') return reject('bad-firmware-schema', `${found.detail}; ${CORRECTED}`)
    const assignments = lookups.assignments(device)
    if (assignments === undefined) return reject('unknown-device', `${device} is not in the app database`)
    try {
      const converter = standardsOf(found.firmware)
      const head = converter.standardise({ device, deviceId: key, bytes, start: WIRE_BYTES, receivedMs }, assignments, lookups)
      const days = converter.tooManyDays()
      if (days > 0) return reject('span-too-long', `its samples fall on ${days} days; expected at most ${MOST_DAYS}`)
      if (only === undefined && converter.rejections().length === 0) return emit('readings', converter.columns(head))
      if (only !== undefined) {
        const last = only.samples.at(-1) ?? -1
        const { count } = converter.samples
        if (last >= count) throw new MalformedError(`expected a sample ${last}, got ${count} samples`)
        converter.restrict(only)
      }
      const outcomes: Outcome<{ readings: typeof readings }, Reason>[] = converter
        .rejections()
        .map(({ reason, detail, samples: numbers, quantities }) => reject(reason, detail, numbers, quantities))
      if (!converter.isEmpty()) outcomes.push(emit('readings', converter.columns(head)))
      return outcomes
    } catch (cause) {
      if (cause instanceof TooManySamplesError) return reject('too-many-samples', cause.message)
      if (cause instanceof MalformedError) return reject('malformed-frame', cause.message)
      throw cause
    }
  },
})
