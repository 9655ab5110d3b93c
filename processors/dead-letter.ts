import { avroType } from '../schemas/avro-type.ts'
import type { DeadLetter, DeadRecord } from '../schemas/generated/dead-letter.ts'
import { WIRE_BYTES, wireHeader } from '../schemas/wire-format.ts'
import type { KafkaRecord, RecordHeaders, Rejection, Topic } from './contract.ts'

export type { DeadLetter, DeadRecord }

/** Reads and writes dead letters in the registry's wire format. */
export interface DeadLetterCodec {
  encode(deadLetter: DeadLetter): Buffer
  /** Throws a RangeError or Error of avsc if the bytes are no dead letter. */
  decode(bytes: Buffer): DeadLetter
}

/**
 * @param schema parsed schemas/dead-letter.avsc
 * @param schemaId its ID in the registry
 */
export function createDeadLetterCodec(schema: unknown, schemaId: number): DeadLetterCodec {
  const type = avroType(schema)
  const header = wireHeader(schemaId)
  return {
    encode: (deadLetter) => Buffer.concat([header, type.toBuffer(deadLetter)]),
    decode: (bytes) => type.fromBuffer(bytes.subarray(WIRE_BYTES)) as DeadLetter,
  }
}

/**
 * Most bytes of headers that a dead letter keeps: a foreign producer's headers must not make it too
 * large for Kafka.
 */
const MOST_HEADER_BYTES = 1024
const MOST_UTF8_BYTES = 3
/**
 * A detail names a value and what was expected. A longer one is cut: a database, or a processor
 * that shows its whole input, may say more than the record does.
 */
const MOST_DETAIL_CHARACTERS = 1000

/** Who refuses a record, where it came from, and when. */
export interface RefusedBy {
  readonly topic: Topic
  readonly partition: number
  readonly processor: string
  readonly version: string
  /** Milliseconds since 1970. */
  readonly nowMs: number
}

/** The dead letter for a record, or a part of it, that failed for the first time. */
export function firstDeadLetter(record: KafkaRecord, { reason, detail, samples, quantities = [] }: Rejection, by: RefusedBy): DeadLetter {
  return {
    source_topic: by.topic,
    source_partition: by.partition,
    source_offset: Number(record.offset),
    source_timestamp: record.timestampMs,
    samples,
    quantities,
    key: record.key,
    value: record.value,
    records: [],
    reason,
    detail: detail.length <= MOST_DETAIL_CHARACTERS ? detail : `${detail.slice(0, MOST_DETAIL_CHARACTERS)}…`,
    processor: by.processor,
    processor_version: by.version,
    attempt: 1,
    first_failed: by.nowMs,
    last_failed: by.nowMs,
  }
}

/**
 * The headers of a record, which its dead letter keeps as its own: all of them, or none if they are
 * larger than any of ours.
 */
export function deadLetterHeaders({ headers }: KafkaRecord): RecordHeaders | undefined {
  if (headers === undefined) return undefined
  const bytes = headers.reduce((sum, { name, value }) => sum + name.length * MOST_UTF8_BYTES + (value?.length ?? 0), 0)
  return bytes <= MOST_HEADER_BYTES ? headers : undefined
}
