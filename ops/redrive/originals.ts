import type { RecordReader } from '../../connectors/kafka/record-reader.ts'
import type { KafkaRecord, Topic } from '../../processors/contract.ts'
import type { DeadRecord } from '../../processors/dead-letter.ts'
import type { FoundLetter } from '../../processors/letters.ts'

/** What a letter is about: itself, or a letter for each of its records that its source still has. */
export interface Originals {
  readonly letters: readonly FoundLetter[]
  /** Records that Kafka has deleted, or never had: those of the bridge came from MQTT. */
  readonly gone: number
}

/** Reads the originals of a letter that keeps only their offsets. */
export async function originalsOf(found: FoundLetter, reader: Pick<RecordReader, 'read'>): Promise<Originals> {
  const { records, source_topic, source_partition } = found.letter
  if (records.length === 0) return { letters: [found], gone: 0 }
  if (source_partition < 0) return { letters: [], gone: records.length }
  const offsets = records.map(({ offset }) => BigInt(offset)).sort((a, b) => (a < b ? -1 : 1))
  const originals = await reader.read(source_topic as Topic, source_partition, offsets)
  const letters = records.flatMap((record): FoundLetter[] => {
    const original = originals.get(BigInt(record.offset))
    return original !== undefined && isSame(original, record, found) ? [whole(found, record, original)] : []
  })
  return { letters, gone: records.length - letters.length }
}

/** A topic that was deleted and made anew has other records at the same offsets. */
function isSame({ key, value, timestampMs }: KafkaRecord, { timestamp, head }: DeadRecord, { letter }: FoundLetter): boolean {
  const sameKey = key === null ? letter.key === null : letter.key?.equals(key) === true
  return sameKey && timestampMs === timestamp && (value ?? Buffer.alloc(0)).subarray(0, head.length).equals(head)
}

/** The letter that the record would have had for itself. */
function whole(found: FoundLetter, { offset, timestamp }: DeadRecord, { value, headers }: KafkaRecord): FoundLetter {
  return {
    ...found,
    headers,
    letter: { ...found.letter, source_offset: offset, source_timestamp: timestamp, value, records: [] },
  }
}
