import avro from 'avsc'
import { parseTimestamp } from '../../processors/bridge/timestamp.ts'
import type { DeadLetter } from '../../processors/dead-letter.ts'
import { topics } from '../../processors/topics.ts'
import type { Firmware } from '../../schemas/firmware.ts'
import { FrameReader, MalformedError } from '../../schemas/frame-reader.ts'
import { isObject } from '../../schemas/json.ts'
import { isSingleObject, SINGLE_OBJECT_BYTES } from '../../schemas/single-object.ts'
import { WIRE_BYTES } from '../../schemas/wire-format.ts'

/** A sample that became a dead letter: a key that table `readings` may lack. */
export interface DeadSample {
  /** Device, or `device/channel`, as in the rows. */
  readonly device: string
  /** Microseconds since 1970. */
  readonly tsMicros: number
  /** The quantities whose values were refused. Empty if the whole sample was refused. */
  readonly quantities: readonly string[]
}

/**
 * Tells which samples a dead letter is about: some of its frame, or all. Empty if it cannot be
 * decoded.
 */
export type DeadSamples = (deadLetter: DeadLetter) => readonly DeadSample[]

interface ReadingsDatum {
  readonly device_id: string
  readonly samples: readonly { readonly ts: number }[]
}

function rowOf(device: string, channel: string | null): string {
  return channel === null ? device : `${device}/${channel}`
}

/**
 * @param firmware what wrote the frames; undefined if nothing did
 * @param readings parsed schemas/readings.avsc
 * @param raw parsed schemas/raw.avsc
 */
export function createDeadSamples(firmware: Firmware | undefined, readings: unknown, raw: unknown): DeadSamples {
  const reader = firmware === undefined ? undefined : new FrameReader(firmware)
  const rawType = avro.Type.forSchema(raw as avro.Schema, { logicalTypes: {} })
  const type = avro.Type.forSchema(readings as avro.Schema, { wrapUnions: 'auto', omitRecordMethods: true, logicalTypes: {} })

  function frameTimes(bytes: Buffer): readonly number[] {
    const single = isSingleObject(bytes)
    // A message that the bridge could not forward is there as it came.
    if (!single && bytes[0] !== 0) return jsonTimes(bytes)
    if (reader === undefined) return []
    reader.read(bytes, single ? SINGLE_OBJECT_BYTES : WIRE_BYTES)
    const { tickMicros } = reader.firmware
    return Array.from(reader.elapsed.subarray(0, reader.count), (elapsed) => (reader.base + elapsed) * tickMicros)
  }

  /** Of the device, or of a channel of it. */
  function readingTimes(bytes: Buffer): { readonly device: string; readonly times: readonly number[] } {
    const { device_id: own, samples } = type.fromBuffer(bytes.subarray(WIRE_BYTES)) as ReadingsDatum
    return { device: own, times: samples.map(({ ts }) => ts) }
  }

  /** Whose rows lack what a dead letter of a frame is about: a dead letter names channels. */
  function rowsOf(device: string, quantities: readonly string[]): ReadonlyMap<string, readonly string[]> {
    const channels =
      quantities.length === 0 ? new Set(firmware === undefined ? [null] : firmware.metrics.map(({ channel }) => channel)) : []
    const rows = new Map<string, string[]>([...channels].map((channel) => [rowOf(device, channel), []]))
    for (const name of quantities) {
      const slash = name.lastIndexOf('/')
      const row = rowOf(device, slash < 0 ? null : name.slice(0, slash))
      rows.set(row, [...(rows.get(row) ?? []), name.slice(slash + 1)])
    }
    return rows
  }

  /** JSON telemetry with a text `ts` in each sample. */
  function jsonTimes(bytes: Buffer): readonly number[] {
    const message: unknown = JSON.parse(bytes.toString('utf8'))
    return (Array.isArray(message) ? message : [message]).map((sample: unknown) => parseTimestamp(isObject(sample) ? sample.ts : undefined))
  }

  function rawTimes(bytes: Buffer): readonly number[] {
    return jsonTimes((rawType.fromBuffer(bytes.subarray(WIRE_BYTES)) as { payload: Buffer }).payload)
  }

  return ({ key, value, samples, quantities, source_topic: source }) => {
    // A dead letter of the bridge may have no key. Then the device is a level of the MQTT topic.
    const device = key?.toString('latin1') ?? source.split('/')[1]
    if (value === null || device === undefined) return []
    try {
      const stored = source === topics.readings ? readingTimes(value) : undefined
      const times = stored?.times ?? (source === topics.raw ? rawTimes(value) : frameTimes(value))
      const dead = samples.length === 0 ? times : samples.flatMap((sample) => times[sample] ?? [])
      const rows = stored === undefined ? [...rowsOf(device, quantities)] : [[stored.device, quantities] as const]
      return dead
        .filter((tsMicros) => !Number.isNaN(tsMicros))
        .flatMap((tsMicros) => rows.map(([row, own]) => ({ device: row, tsMicros, quantities: own })))
    } catch (cause) {
      // It may be a dead letter because nobody can decode it. Any other error is a defect here.
      if (
        cause instanceof MalformedError ||
        cause instanceof RangeError ||
        cause instanceof SyntaxError ||
        (cause as Error).message.startsWith('truncated')
      )
        return []
      throw cause
    }
  }
}
