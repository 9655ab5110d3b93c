import type { RecordReader } from '../../connectors/kafka/record-reader.ts'
import type { KafkaRecord, Topic } from '../../processors/contract.ts'
import type { DeadRecord } from '../../processors/dead-letter.ts'
import type { FoundDeadLetter } from '../../processors/found-dead-letters.ts'

/**
 * What a dead letter is about: itself, or, if it stands for several records, a dead letter for each
 * record that Kafka still has.
 */
export interface Originals {
  readonly deadLetters: readonly FoundDeadLetter[]
  /** Records that Kafka has deleted, or never had, since those of the bridge came from MQTT. */
  readonly gone: number
}

/** Reads the originals of a dead letter that keeps only their offsets. */
export async function originalsOf(found: FoundDeadLetter, reader: Pick<RecordReader, 'read'>): Promise<Originals> {
  const { records, source_topic, source_partition } = found.deadLetter
  if (records.length === 0) return { deadLetters: [found], gone: 0 }
  if (source_partition < 0) return { deadLetters: [], gone: records.length }
  const offsets = records.map(({ offset }) => BigInt(offset)).sort((a, b) => (a < b ? -1 : 1))
  const originals = await reader.read(source_topic as Topic, source_partition, offsets)
  const deadLetters = records.flatMap((record): FoundDeadLetter[] => {
    const original = originals.get(BigInt(record.offset))
    return original !== undefined && isSame(original, record, found) ? [whole(found, record, original)] : []
  })
  return { deadLetters, gone: records.length - deadLetters.length }
}

/** A topic that was deleted and made anew has other records at the same offsets. */
function isSame({ key, value, timestampMs }: KafkaRecord, { timestamp, head }: DeadRecord, { deadLetter }: FoundDeadLetter): boolean {
  const sameKey = key === null ? deadLetter.key === null : deadLetter.key?.equals(key) === true
  return sameKey && timestampMs === timestamp && (value ?? Buffer.alloc(0)).subarray(0, head.length).equals(head)
}

/** The dead letter that the record would have had for itself. */
function whole(found: FoundDeadLetter, { offset, timestamp }: DeadRecord, { value, headers }: KafkaRecord): FoundDeadLetter {
  return {
    ...found,
    headers,
    deadLetter: { ...found.deadLetter, source_offset: offset, source_timestamp: timestamp, value, records: [] },
  }
}
