import type { KafkaRecord, OutgoingRecord, Rejection, Topic } from './contract.ts'
import { type DeadLetter, type DeadLetterCodec, type DeadRecord, deadLetterHeaders, firstDeadLetter } from './dead-letter.ts'
import type { DeadLetterBudget } from './dead-letter-budget.ts'
import { deadTopic } from './topics.ts'

/** A record, or a part of it, that a processor refuses. */
export interface RefusedRecord extends Rejection {
  readonly record: KafkaRecord
  readonly topic: Topic
  readonly partition: number
}

export interface DeadLetterWriterOptions {
  readonly processor: string
  readonly version: string
  readonly codec: DeadLetterCodec
  /** Largest dead letter that its topic takes. */
  readonly deadLetterBytes: number
  /** Says which dead letters keep their record whole; absent for all of them. */
  readonly budget?: DeadLetterBudget
  /** First bytes of each record that are kept if the record is not. */
  readonly headBytes: number
  readonly counters: DeadLetterCounters
}

/** Figures for metrics. */
export interface DeadLetterCounters {
  /** Refused records whose offset alone is kept. */
  referenced: number
}

/**
 * The records to send for what was refused in one batch: dead letters with their whole record, and
 * dead letters that stand for several records. `nowMs`: milliseconds since 1970.
 */
export type DeadLetterWriter = (refused: readonly RefusedRecord[], nowMs: number) => readonly OutgoingRecord[]

/**
 * A dead letter in the registry's wire format. If it is too large for Kafka, it keeps only the
 * offset of its record. A dead letter of the bridge has no offset: it goes without its record, and
 * says so.
 */
export function encodeWithin(deadLetterBytes: number, deadLetter: DeadLetter, codec: DeadLetterCodec): Buffer {
  const value = codec.encode(deadLetter)
  if (value.length <= deadLetterBytes || deadLetter.value === null) return value
  const { source_partition, source_offset, source_timestamp, samples, quantities, detail } = deadLetter
  const record = {
    offset: source_offset,
    timestamp: source_timestamp,
    head: deadLetter.value.subarray(0, LARGEST_HEAD_BYTES),
    partly: samples.length + quantities.length > 0,
  }
  const size = `its ${deadLetter.value.length} bytes are left out: a dead letter may have ${deadLetterBytes}`
  return codec.encode(
    source_partition < 0
      ? { ...deadLetter, value: null, detail: `${detail}; ${size}` }
      : { ...deadLetter, value: null, samples: [], records: [record] },
  )
}

/**
 * Most records that one dead letter stands for, and most bytes of them: a redrive has them in
 * memory together.
 */
const MOST_REFERENCED = 500
const MOST_REFERENCED_BYTES = 4 << 20
const LARGEST_HEAD_BYTES = 192

interface Reference {
  readonly first: RefusedRecord
  readonly records: DeadRecord[]
  bytes: number
}

/**
 * Writes dead letters. A record is kept whole unless its device, or all devices together, had too
 * many such dead letters lately, or the dead letter is too large for Kafka. Of the other records,
 * one dead letter for each device and reason of the batch keeps the offsets. The records are in
 * their topic as long as the dead letters are in theirs, and a redrive reads them there.
 */
export function createDeadLetterWriter(options: DeadLetterWriterOptions): DeadLetterWriter {
  const { processor, version, codec, deadLetterBytes, budget, headBytes, counters } = options
  const topic = deadTopic(processor)

  return (refused, nowMs) => {
    const sent: OutgoingRecord[] = []
    const references = new Map<string, Reference>()

    const send = (deadLetter: DeadLetter, record: KafkaRecord, headers: OutgoingRecord['headers']): boolean => {
      const value = codec.encode(deadLetter)
      if (value.length > deadLetterBytes) return false
      sent.push({ topic, key: record.key, value, timestampMs: nowMs, headers })
      return true
    }

    const flush = ({ first, records }: Reference): void => {
      const whole = firstDeadLetter(first.record, { ...first, samples: [] }, { ...first, processor, version, nowMs })
      counters.referenced += records.length
      send({ ...whole, value: null, records }, first.record, undefined)
    }

    const refer = (each: RefusedRecord): void => {
      const { record, topic: source, partition, reason, samples, quantities = [] } = each
      const name = `${source}/${partition} ${record.key?.toString('latin1') ?? ''} ${reason} ${quantities.join()}`
      let reference = references.get(name)
      if (reference === undefined) {
        reference = { first: each, records: [], bytes: 0 }
        references.set(name, reference)
      }
      reference.records.push({
        offset: Number(record.offset),
        timestamp: record.timestampMs,
        head: record.value?.subarray(0, headBytes) ?? Buffer.alloc(0),
        partly: samples.length + quantities.length > 0,
      })
      reference.bytes += record.value?.length ?? 0
      if (reference.records.length < MOST_REFERENCED && reference.bytes < MOST_REFERENCED_BYTES) return
      references.delete(name)
      flush(reference)
    }

    for (const each of refused) {
      const { record, reason } = each
      const whole = budget === undefined || budget.admit(record.key, reason, record.value?.length ?? 0, nowMs)
      const deadLetter = whole ? firstDeadLetter(record, each, { ...each, processor, version, nowMs }) : undefined
      if (deadLetter === undefined || !send(deadLetter, record, deadLetterHeaders(record))) refer(each)
    }
    for (const reference of references.values()) flush(reference)
    return sent
  }
}
