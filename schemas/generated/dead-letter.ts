// Generated from schemas/dead-letter.avsc by `make generate`. Do not edit.
import type { AvroSchema } from '../avro-schema.ts'

export interface DeadRecord {
  /** Offset in the source topic, from which a redrive reads the record again; -1 for the bridge. */
  readonly offset: number
  /** Kafka timestamp of the record. Milliseconds since 1970. */
  readonly timestamp: number
  /** First bytes of its value: enough to read a frame's number. */
  readonly head: Buffer
  /** Whether only samples or quantities of it were refused. */
  readonly partly: boolean
}

/** What a processor could not process, with the original bytes untouched. */
export interface DeadLetter {
  /** Kafka topic that the record came from; the MQTT topic for the bridge. */
  readonly source_topic: string
  /** Partition of the record; -1 for the bridge. */
  readonly source_partition: number
  /** Offset of the record; -1 for the bridge. */
  readonly source_offset: number
  /** Kafka timestamp of the record: when the bridge received the frame. Milliseconds since 1970. */
  readonly source_timestamp: number
  /** Indexes of the samples concerned, ascending; empty if all of the record is. */
  readonly samples: readonly number[]
  /** Quantities concerned of these samples; empty if the samples are as a whole. */
  readonly quantities: readonly string[]
  /** The record's key: the device ID. */
  readonly key: Buffer | null
  /** The record's value, to the last bit; null if it is not kept: the detail says why. */
  readonly value: Buffer | null
  /** Not empty if the dead letter stands for several records of one device, refused for one reason, of which only this is kept. */
  readonly records: readonly DeadRecord[]
  /** Reason code, from the processor's closed list. */
  readonly reason: string
  /** The value that was refused and what was expected. */
  readonly detail: string
  /** Processor that refused it. */
  readonly processor: string
  /** Version of that processor. */
  readonly processor_version: string
  /** 1 for the first failure; one more for each redrive that failed again. */
  readonly attempt: number
  /** When it failed first. Milliseconds since 1970. */
  readonly first_failed: number
  /** When it failed last. Milliseconds since 1970. */
  readonly last_failed: number
}

/** schemas/dead-letter.avsc */
export const deadLetterSchema: AvroSchema<DeadLetter> = {
  path: "schemas/dead-letter.avsc",
  json: {"type":"record","name":"DeadLetter","namespace":"millrace","doc":"What a processor could not process, with the original bytes untouched.","fields":[{"name":"source_topic","type":"string","doc":"Kafka topic that the record came from; the MQTT topic for the bridge."},{"name":"source_partition","type":"int","doc":"Partition of the record; -1 for the bridge."},{"name":"source_offset","type":"long","doc":"Offset of the record; -1 for the bridge."},{"name":"source_timestamp","type":{"type":"long","logicalType":"timestamp-millis"},"doc":"Kafka timestamp of the record: when the bridge received the frame."},{"name":"samples","type":{"type":"array","items":"int"},"default":[],"doc":"Indexes of the samples concerned, ascending; empty if all of the record is."},{"name":"quantities","type":{"type":"array","items":"string"},"default":[],"doc":"Quantities concerned of these samples; empty if the samples are as a whole."},{"name":"key","type":["null","bytes"],"default":null,"doc":"The record's key: the device ID."},{"name":"value","type":["null","bytes"],"default":null,"doc":"The record's value, to the last bit; null if it is not kept: the detail says why."},{"name":"records","type":{"type":"array","items":{"type":"record","name":"DeadRecord","fields":[{"name":"offset","type":"long","doc":"Offset in the source topic, from which a redrive reads the record again; -1 for the bridge."},{"name":"timestamp","type":{"type":"long","logicalType":"timestamp-millis"},"doc":"Kafka timestamp of the record."},{"name":"head","type":"bytes","doc":"First bytes of its value: enough to read a frame's number."},{"name":"partly","type":"boolean","default":false,"doc":"Whether only samples or quantities of it were refused."}]}},"default":[],"doc":"Not empty if the dead letter stands for several records of one device, refused for one reason, of which only this is kept."},{"name":"reason","type":"string","doc":"Reason code, from the processor's closed list."},{"name":"detail","type":"string","doc":"The value that was refused and what was expected."},{"name":"processor","type":"string","doc":"Processor that refused it."},{"name":"processor_version","type":"string","doc":"Version of that processor."},{"name":"attempt","type":"int","doc":"1 for the first failure; one more for each redrive that failed again."},{"name":"first_failed","type":{"type":"long","logicalType":"timestamp-millis"},"doc":"When it failed first."},{"name":"last_failed","type":{"type":"long","logicalType":"timestamp-millis"},"doc":"When it failed last."}]},
}
