import { readingsSchema } from '../schemas/generated/readings.ts'
import { type ReadingsColumns, ReadingsWriter } from '../schemas/readings-writer.ts'
import type { Output, Topic } from './contract.ts'

/** Names of the topics of the line. Dead letters of a processor are in `<processor>.dead`. */
export const topics = {
  frames: 'telemetry.frames' as Topic,
  readings: 'telemetry.readings' as Topic,
  deviceStatus: 'device.status' as Topic,
  /** Nothing is read from it: Kafka tells its time when it is written to. */
  clock: 'millrace.clock' as Topic,
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

/** Readings in standard units, one record a frame, or several if it were too large. */
export const readings: Output<ReadingsColumns> = {
  topic: topics.readings,
  schema: readingsSchema,
  encoder: (schemaId, mostBytes) => {
    const writer = new ReadingsWriter(schemaId, mostBytes)
    return (columns) => writer.writeParts(columns)
  },
}
