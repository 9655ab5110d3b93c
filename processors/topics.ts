import { type Reading, readingsSchema } from '../schemas/generated/readings.ts'
import { ReadingsReader } from '../schemas/readings-reader.ts'
import { type ReadingsColumns, ReadingsWriter } from '../schemas/readings-writer.ts'
import { requireWireHeader, WIRE_BYTES } from '../schemas/wire-format.ts'
import { resolved } from './avro.ts'
import type { LendingSource, Output, Source, Topic } from './contract.ts'

/** Names of the topics of the line. Dead letters of a processor are in `<processor>.dead`. */
export const topics = {
  frames: 'telemetry.frames' as Topic,
  /** Messages of devices with firmware of others, as they were published. */
  raw: 'telemetry.raw' as Topic,
  readings: 'telemetry.readings' as Topic,
  deviceStatus: 'device.status' as Topic,
  /** Nothing is read from it: Kafka tells its time when it is written to. */
  clock: 'millrace.clock' as Topic,
  /** While it gets records, the bridge forwards what devices publish. */
  pulse: 'millrace.pulse' as Topic,
  /** What bridges remember of their sessions, by client ID; compacted. */
  bridgeSession: 'bridge.session' as Topic,
} as const

/** Where a processor's dead letters go. */
export function deadTopic(processor: string): Topic {
  return `${processor}.dead` as Topic
}

/** Registry subject of a topic with one schema. */
export function valueSubject(topic: Topic): string {
  return `${topic}-value`
}

/**
 * Registry subject of a firmware's frames: the topic-record-name strategy, so that each firmware
 * evolves by itself.
 */
export function firmwareSubject(fullName: string): string {
  return `${topics.frames}-${fullName}`
}

const readerOf = resolved((writer) => new ReadingsReader(writer))

/**
 * Readings in standard units, a record at a time as columns: of what is read nothing is allocated.
 * The reader is used again for the next record: take from it at once what is to be kept. A process,
 * which keeps its inputs until a micro-batch is complete, cannot read it.
 */
export const readingFrames: LendingSource<ReadingsReader> = {
  topic: topics.readings,
  needs: ['schema'],
  lends: true,
  decode: (record, lookups, each) => {
    const value = requireWireHeader(record.value)
    const reader = readerOf(value, record, lookups)
    reader.read(value, WIRE_BYTES)
    each(reader, null)
  },
}

/**
 * Readings in standard units. As a source, a sample at a time. As an output, one record a frame, or
 * several if it were too large.
 */
export const readings: Source<Reading> & Output<ReadingsColumns> = {
  topic: topics.readings,
  needs: ['schema'],
  decode: (record, lookups, each) =>
    readingFrames.decode(record, lookups, (reader) => {
      for (let sample = 0; sample < reader.count; sample++) each(reader.reading(sample), sample)
    }),
  schema: readingsSchema,
  encoder: (schemaId, mostBytes) => {
    const writer = new ReadingsWriter(schemaId, mostBytes)
    return (columns) => writer.writeParts(columns)
  },
}
