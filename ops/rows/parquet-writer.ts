import { deserialize, serialize } from 'node:v8'
import type { SchemaElement } from 'hyparquet'
import { ByteWriter, ParquetWriter } from 'hyparquet-writer'
import type { ArchiveKind } from '../../processors/store/archive-figures.ts'
import type { ByteSink } from './byte-sink.ts'
import type { Cell, Row, RowColumn } from './row.ts'

/** Parquet, a row group at a time: the columns of one group are all that is in memory. */
export interface ParquetFile {
  write(rows: readonly Row[]): Promise<void>
  /** Ends the row group, and says what is needed to go on after it (`resumeParquet`). */
  groups(): Promise<string>
  /** Writes the footer, without which the file cannot be read. */
  finish(): Promise<void>
}

/** Keeps a row group at some 8 MB of values in memory, whatever the number of columns. */
const GROUP_CELLS = 1_000_000
const MOST_GROUP_ROWS = 50_000
const LEAST_GROUP_ROWS = 1_000

const ELEMENTS: Readonly<Record<ArchiveKind, Omit<SchemaElement, 'name'>>> = {
  text: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  // Microseconds in UTC: readers make a timestamp with time zone of it.
  timestamp: { type: 'INT64', logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' } },
  boolean: { type: 'BOOLEAN' },
  whole: { type: 'INT64' },
  double: { type: 'DOUBLE' },
}

export function parquetFile(sink: ByteSink, columns: readonly RowColumn[]): ParquetFile {
  return new RowGroups(sink, columns)
}

/** @param groups of the file as it was at that many bytes */
export function resumeParquet(sink: ByteSink, columns: readonly RowColumn[], groups: string): ParquetFile {
  return new RowGroups(sink, columns, deserialize(Buffer.from(groups, 'base64')) as Groups)
}

interface Groups {
  readonly offset: number
  readonly rows: bigint
  readonly groups: ParquetWriter['row_groups']
}

class RowGroups implements ParquetFile {
  private readonly sink: ByteSink
  private readonly columns: readonly RowColumn[]
  private readonly groupRows: number
  private readonly bytes = new ByteWriter()
  private readonly parquet: ParquetWriter
  /** Values of the row group that is being filled, by column. */
  private values: Cell[][]
  private rows = 0

  constructor(sink: ByteSink, columns: readonly RowColumn[], before?: Groups) {
    this.sink = sink
    this.columns = columns
    this.groupRows = Math.max(LEAST_GROUP_ROWS, Math.min(MOST_GROUP_ROWS, Math.floor(GROUP_CELLS / columns.length)))
    this.values = columns.map(() => [])
    const units = Object.fromEntries(columns.flatMap(({ name, unit }) => (unit === null ? [] : [[name, unit]])))
    this.parquet = new ParquetWriter({
      writer: this.bytes,
      schema: [
        { name: 'root', num_children: columns.length },
        ...columns.map(({ name, kind }) => ({ ...ELEMENTS[kind], name, repetition_type: 'OPTIONAL' as const })),
      ],
      codec: 'SNAPPY',
      statistics: true,
      kvMetadata: [{ key: 'millrace_units', value: JSON.stringify(units) }],
      createdBy: 'millrace',
    })
    if (before === undefined) return
    this.parquet.row_groups = before.groups
    this.parquet.num_rows = before.rows
    // The head that the constructor wrote is there.
    this.bytes.index = 0
    this.bytes.offset = before.offset
  }

  async write(rows: readonly Row[]): Promise<void> {
    for (const row of rows) {
      for (let index = 0; index < this.columns.length; index++) {
        const cell = row[index] ?? null
        const { kind } = this.columns[index] as RowColumn
        this.values[index]?.push(typeof cell === 'number' && (kind === 'timestamp' || kind === 'whole') ? BigInt(cell) : cell)
      }
      if (++this.rows === this.groupRows) await this.endGroup()
    }
  }

  async groups(): Promise<string> {
    await this.endGroup()
    const { row_groups: groups, num_rows: rows } = this.parquet
    return serialize({ offset: this.bytes.offset, rows, groups } satisfies Groups).toString('base64')
  }

  async finish(): Promise<void> {
    await this.endGroup()
    this.parquet.finish()
    await this.flush()
  }

  private async endGroup(): Promise<void> {
    if (this.rows > 0) {
      const columnData = this.columns.map(({ name }, index) => ({ name, data: this.values[index] ?? [], offsetIndex: false }))
      await this.parquet.write({ columnData, rowGroupSize: this.rows })
      // Nothing of it is written at the end: there are no indexes.
      this.parquet.pendingIndexes = []
      this.values = this.columns.map(() => [])
      this.rows = 0
    }
    await this.flush()
  }

  private async flush(): Promise<void> {
    if (this.bytes.index > 0) await this.sink.write(this.bytes.getBytes())
    this.bytes.index = 0
  }
}
