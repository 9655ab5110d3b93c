import type { KafkaRecord, OutgoingRecord, Rejection, Topic } from './contract.ts'
import { type DeadLetter, type DeadLetterCodec, type DeadRecord, firstLetter, letterHeaders } from './dead-letter.ts'
import type { LetterBudget } from './letter-budget.ts'
import { deadTopic } from './topics.ts'

/** A record, or a part of it, that a processor refuses. */
export interface RefusedRecord extends Rejection {
  readonly record: KafkaRecord
  readonly topic: Topic
  readonly partition: number
}

export interface LetterWriterOptions {
  readonly processor: string
  readonly version: string
  readonly deadLetters: DeadLetterCodec
  /** Largest letter that its topic takes. */
  readonly letterBytes: number
  /** Says which letters keep their record whole; absent for all of them. */
  readonly budget?: LetterBudget
  /** First bytes of each record that are kept where the record is not. */
  readonly headBytes: number
  readonly counters: LetterCounters
}

/** Figures for metrics. */
export interface LetterCounters {
  /** Records refused of which only the offset is kept. */
  referenced: number
}

/** What must be sent for what was refused in one batch: letters whole, and letters that stand for several records. `nowMs`: milliseconds since 1970. */
export type LetterWriter = (refused: readonly RefusedRecord[], nowMs: number) => readonly OutgoingRecord[]

/**
 * A letter in the registry's wire format. One that is too large for Kafka keeps its record by the offset only; one of the bridge, which has no
 * offset, goes without it, and says so.
 */
export function encodeWithin(letterBytes: number, letter: DeadLetter, deadLetters: DeadLetterCodec): Buffer {
  const value = deadLetters.encode(letter)
  if (value.length <= letterBytes || letter.value === null) return value
  const { source_partition, source_offset, source_timestamp, samples, quantities, detail } = letter
  const record = {
    offset: source_offset,
    timestamp: source_timestamp,
    head: letter.value.subarray(0, LARGEST_HEAD_BYTES),
    partly: samples.length + quantities.length > 0,
  }
  const size = `its ${letter.value.length} bytes are left out: a dead letter may have ${letterBytes}`
  return deadLetters.encode(
    source_partition < 0
      ? { ...letter, value: null, detail: `${detail}; ${size}` }
      : { ...letter, value: null, samples: [], records: [record] },
  )
}

/** Records for which one letter stands, and bytes of theirs: a redrive has them in memory together. */
const MOST_REFERENCED = 500
const MOST_REFERENCED_BYTES = 4 << 20
const LARGEST_HEAD_BYTES = 192

interface Reference {
  readonly first: RefusedRecord
  readonly records: DeadRecord[]
  bytes: number
}

/**
 * Writes dead letters. A record is kept whole as long as its device, and all devices together, have not had too many such letters lately, and as
 * long as the letter is not too large for Kafka. Of the others a letter for each device and reason of the batch keeps the offsets: the records
 * are in their topic as long as the letters are in theirs, and a redrive reads them there.
 */
export function createLetterWriter(options: LetterWriterOptions): LetterWriter {
  const { processor, version, deadLetters, letterBytes, budget, headBytes, counters } = options
  const topic = deadTopic(processor)

  return (refused, nowMs) => {
    const sent: OutgoingRecord[] = []
    const references = new Map<string, Reference>()

    const send = (letter: DeadLetter, record: KafkaRecord, headers: OutgoingRecord['headers']): boolean => {
      const value = deadLetters.encode(letter)
      if (value.length > letterBytes) return false
      sent.push({ topic, key: record.key, value, timestampMs: nowMs, headers })
      return true
    }

    const flush = ({ first, records }: Reference): void => {
      const whole = firstLetter(first.record, { ...first, samples: [] }, { ...first, processor, version, nowMs })
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
      const letter = whole ? firstLetter(record, each, { ...each, processor, version, nowMs }) : undefined
      if (letter === undefined || !send(letter, record, letterHeaders(record))) refer(each)
    }
    for (const reference of references.values()) flush(reference)
    return sent
  }
}
