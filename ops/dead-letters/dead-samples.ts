import avro from 'avsc'
import type { DeadLetter } from '../../processors/dead-letter.ts'
import { topics } from '../../processors/topics.ts'
import type { Firmware } from '../../schemas/firmware.ts'
import { FrameReader, MalformedError } from '../../schemas/frame-reader.ts'
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
 * @param firmware what wrote the frames
 * @param readings parsed schemas/readings.avsc
 */
export function createDeadSamples(firmware: Firmware, readings: unknown): DeadSamples {
  const reader = new FrameReader(firmware)
  const type = avro.Type.forSchema(readings as avro.Schema, { wrapUnions: 'auto', omitRecordMethods: true, logicalTypes: {} })

  function frameTimes(bytes: Buffer): readonly number[] {
    reader.read(bytes, isSingleObject(bytes) ? SINGLE_OBJECT_BYTES : WIRE_BYTES)
    return Array.from(reader.elapsed.subarray(0, reader.count), (elapsed) => (reader.base + elapsed) * 1000)
  }

  /** Of the device, or of a channel of it. */
  function readingTimes(bytes: Buffer): { readonly device: string; readonly times: readonly number[] } {
    const { device_id: own, samples } = type.fromBuffer(bytes.subarray(WIRE_BYTES)) as ReadingsDatum
    return { device: own, times: samples.map(({ ts }) => ts) }
  }

  /** Whose rows lack what a dead letter of a frame is about: a dead letter names channels. */
  function rowsOf(device: string, quantities: readonly string[]): ReadonlyMap<string, readonly string[]> {
    const channels = quantities.length === 0 ? new Set(firmware.metrics.map(({ channel }) => channel)) : []
    const rows = new Map<string, string[]>([...channels].map((channel) => [rowOf(device, channel), []]))
    for (const name of quantities) {
      const slash = name.lastIndexOf('/')
      const row = rowOf(device, slash < 0 ? null : name.slice(0, slash))
      rows.set(row, [...(rows.get(row) ?? []), name.slice(slash + 1)])
    }
    return rows
  }

  return ({ key, value, samples, quantities, source_topic: source }) => {
    // A dead letter of the bridge may have no key. Then the device is a level of the MQTT topic.
    const device = key?.toString('latin1') ?? source.split('/')[1]
    if (value === null || device === undefined) return []
    try {
      const stored = source === topics.readings ? readingTimes(value) : undefined
      const times = stored?.times ?? frameTimes(value)
      const dead = samples.length === 0 ? times : samples.flatMap((sample) => times[sample] ?? [])
      const rows = stored === undefined ? [...rowsOf(device, quantities)] : [[stored.device, quantities] as const]
      return dead.flatMap((tsMicros) => rows.map(([row, own]) => ({ device: row, tsMicros, quantities: own })))
    } catch (cause) {
      // It may be a dead letter because nobody can decode it. Any other error is a defect here.
      if (cause instanceof MalformedError || cause instanceof RangeError || (cause as Error).message.startsWith('truncated')) return []
      throw cause
    }
  }
}
