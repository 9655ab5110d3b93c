import { parseSubDevice, type RecordHeaders } from '../../processors/contract.ts'
import type { AvroSchema } from '../../schemas/avro-schema.ts'
import { quantities, type Reading, readingsSchema, type standardQuantities } from '../../schemas/generated/readings.ts'

/** A record that a test feeds to a processor, or to a process. */
export interface TestRecord {
  /** Null for a record without a key. The device, on every topic of the line. */
  readonly key: string | null
  /** Kafka's record timestamp: when the record was received, in milliseconds since 1970. */
  readonly timestampMs: number
  readonly headers?: RecordHeaders
  readonly content: RecordContent
}

/**
 * What is in a record: a value that is encoded with the schema of its writer; the bytes of such a
 * value, without the header of the wire format; or all of the record's value, whatever it is.
 */
export type RecordContent =
  | { readonly tag: 'value'; readonly schema: WriterSchema; readonly value: unknown }
  | { readonly tag: 'datum'; readonly schema: WriterSchema; readonly datum: Buffer }
  | { readonly tag: 'bytes'; readonly bytes: Buffer | null }

/** The schema that a record was written with. */
export interface WriterSchema {
  readonly json: unknown
  /** Its ID in the registry; absent for any that is free. */
  readonly id?: number
}

/** When a test's record was received, and under which key it is. */
export interface RecordOptions {
  readonly timestampMs?: number
  readonly key?: string | null
}

/** 2026-01-01T00:00:00Z: a test must not depend on the time of its run. */
const RECEIVED_MS = 1_767_225_600_000
const MICROS_PER_MILLI = 1000

const ABSENT = Object.fromEntries(quantities.map(({ name }) => [name, null])) as Record<(typeof standardQuantities)[number]['name'], null>
const HEAD = {
  firmware: 'test-1',
  boot: 1,
  seq: 0,
  ts: RECEIVED_MS * MICROS_PER_MILLI,
  time_estimated: false,
  account_id: null,
  site_id: null,
}

/**
 * A reading, as a processor of `readings` gets it. What is not given is null, or a plain default.
 * @throws RangeError for a field that readings do not have
 */
export function reading(given: Partial<Reading> & Pick<Reading, 'device_id'>): Reading {
  const whole = { ...HEAD, ...ABSENT, ...given }
  for (const name of Object.keys(given))
    if (!(name in HEAD) && !(name in ABSENT) && name !== 'device_id') throw new RangeError(`readings have no field ${JSON.stringify(name)}`)
  return whole
}

/**
 * A record of `telemetry.readings`. Its samples are in the order given; the key is their device.
 * @throws RangeError if the readings are not of one device, firmware, boot and frame
 */
export function readingsRecord(
  given: (Partial<Reading> & Pick<Reading, 'device_id'>) | readonly (Partial<Reading> & Pick<Reading, 'device_id'>)[],
  { timestampMs, key }: RecordOptions = {},
): TestRecord {
  const samples = (Array.isArray(given) ? given : [given]).map(reading)
  const [first] = samples
  if (first === undefined) throw new RangeError('a record of readings has at least one sample')
  const { device_id, firmware, boot, seq } = first
  for (const [index, other] of samples.entries())
    for (const name of ['device_id', 'firmware', 'boot', 'seq'] as const)
      if (other[name] !== first[name])
        throw new RangeError(`samples of one record have one ${name}: sample 0 has ${first[name]}, sample ${index} has ${other[name]}`)
  const value = { device_id, firmware, boot, seq, dropped: 0, samples }
  const newest = Math.max(...samples.map(({ ts }) => ts))
  return avroRecord(readingsSchema, value, {
    timestampMs: timestampMs ?? Math.floor(newest / MICROS_PER_MILLI),
    key: key === undefined ? (parseSubDevice(device_id)?.device ?? device_id) : key,
  })
}

/** A record of an Avro topic, written with this schema. */
export function avroRecord<Value>(
  schema: AvroSchema<Value>,
  value: Value,
  { timestampMs = RECEIVED_MS, key = null }: RecordOptions = {},
): TestRecord {
  return { key, timestampMs, content: { tag: 'value', schema: { json: schema.json }, value } }
}

/** A record whose value is these bytes, whatever they are. */
export function bytesRecord(bytes: Buffer | null, { timestampMs = RECEIVED_MS, key = null }: RecordOptions = {}): TestRecord {
  return { key, timestampMs, content: { tag: 'bytes', bytes } }
}
