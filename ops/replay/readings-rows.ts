import type { KafkaRecord } from '../../processors/contract.ts'
import { readingFrames } from '../../processors/topics.ts'
import { leadingColumns, quantities } from '../../schemas/generated/readings.ts'
import type { ReadingsReader } from '../../schemas/readings-reader.ts'
import type { Cell, Row, RowColumn } from '../rows/row.ts'
import type { SchemaCache } from './schema-cache.ts'
import { PLACE_COLUMNS, type PlacedRecord, placeCells, type TopicRows } from './topic-rows.ts'

const LEADING: Readonly<Record<(typeof leadingColumns)[number], RowColumn['kind']>> = {
  device_id: 'text',
  ts: 'timestamp',
  time_estimated: 'boolean',
  account_id: 'whole',
  site_id: 'whole',
}

/** Readings: a row for each sample, with the columns of table readings. */
export function readingsRows(schemas: SchemaCache): TopicRows {
  const columns: readonly RowColumn[] = [
    ...leadingColumns.map((name) => ({ name, kind: LEADING[name], unit: null })),
    ...quantities.map(({ name, unit }) => ({ name, kind: 'double' as const, unit })),
    { name: 'firmware', kind: 'text', unit: null },
    { name: 'boot', kind: 'whole', unit: null },
    { name: 'seq', kind: 'whole', unit: null },
    ...PLACE_COLUMNS,
  ]
  const lookups = { schema: (id: number) => schemas.schema(id) }
  return {
    columns,
    eventTime: columns.findIndex(({ name }) => name === 'ts'),
    device: columns.findIndex(({ name }) => name === 'device_id'),
    prepare: (records: readonly KafkaRecord[]) => schemas.prepare(records),
    rows(placed) {
      let rows: Row[] = []
      readingFrames.decode(placed.record, lookups as Parameters<typeof readingFrames.decode>[1], (reader) => {
        rows = Array.from({ length: reader.count }, (_, sample) => cells(reader, sample, placed))
      })
      return rows
    },
  }
}

function cells(reader: ReadingsReader, sample: number, placed: PlacedRecord): Row {
  const row: Cell[] = [
    reader.deviceId,
    reader.ts[sample] as number,
    reader.timeEstimated[sample] === 1,
    absent(reader.account[sample]),
    absent(reader.site[sample]),
  ]
  for (const column of reader.values) {
    const value = column?.[sample] ?? Number.NaN
    row.push(Number.isNaN(value) ? null : value)
  }
  row.push(reader.firmware, reader.boot, reader.seq, ...placeCells(placed))
  return row
}

function absent(id: number | undefined): number | null {
  return id === undefined || id < 0 ? null : id
}
