import type { KafkaRecord } from '../../processors/contract.ts'
import type { Row, RowColumn } from '../rows/row.ts'

/** A record of Kafka, and where it is. */
export interface PlacedRecord {
  readonly partition: number
  readonly record: KafkaRecord
}

/** What becomes of the records of a topic. */
export interface TopicRows {
  readonly columns: readonly RowColumn[]
  /**
   * Place of the column with the time that a row is about; undefined if the topic has no time but
   * that of receipt.
   */
  readonly eventTime: number | undefined
  /**
   * Device of each row, if it is not the record's key: the place of its column.
   */
  readonly device: number | undefined
  /** Makes `rows` possible for these records; waits through outages. */
  prepare(records: readonly KafkaRecord[]): Promise<void>
  /** @throws Error if the record is not what its topic has */
  rows(placed: PlacedRecord): readonly Row[]
}

/** Columns that every row has after its own: where it was in Kafka. */
export const PLACE_COLUMNS: readonly RowColumn[] = [
  { name: 'record_time', kind: 'timestamp', unit: null },
  { name: 'record_partition', kind: 'whole', unit: null },
  { name: 'record_offset', kind: 'whole', unit: null },
]

const MICROS_PER_MS = 1000

export function placeCells({ partition, record: { timestampMs, offset } }: PlacedRecord): Row {
  return [timestampMs * MICROS_PER_MS, partition, Number(offset)]
}
