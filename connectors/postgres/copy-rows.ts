import type { RowValues } from '../../processors/store/merge-columns.ts'
import { KEY_COLUMNS } from './readings-table.ts'

/** Signature, flags and length of the header extension, which is empty. */
const HEADER_BYTES = 19
const HEADER = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1')
const TRAILER = Buffer.from([0xff, 0xff])
const NULL = -1
/** Bytes of a timestamp with its length. */
const TS_BYTES = 12
/** Microseconds from 1970-01-01 to 2000-01-01, PostgreSQL's epoch. */
const POSTGRES_EPOCH_MICROS = 946_684_800_000_000n
/** account_id and site_id are bigint; the quantities after them double precision. */
const WHOLE_COLUMNS = 2

/** Where each row of a binary COPY stream of `readings` starts, and where the last one ends. */
export function rowOffsets(stream: Buffer, rows: number): Int32Array {
  const offsets = new Int32Array(rows + 1)
  let at = HEADER_BYTES
  for (let row = 0; row < rows; row++) {
    offsets[row] = at
    at = nextRow(stream, at)
  }
  offsets[rows] = at
  return offsets
}

/** Rows as a stream of their own. @param rows whole rows, without header and trailer */
export function copyStream(rows: readonly Buffer[]): Buffer {
  return Buffer.concat([HEADER, ...rows, TRAILER])
}

/** The key of a row as bytes. Two rows with the same bytes have the same device and time. */
export function keyBytes(stream: Buffer, row: number): Buffer {
  return stream.subarray(row + 2, row + 6 + stream.readInt32BE(row + 2) + TS_BYTES)
}

/** Device and time of a key. */
export function readKey(key: Buffer): { readonly device: string; readonly tsMicros: number } {
  const end = key.length - TS_BYTES
  return { device: key.toString('utf8', 4, end), tsMicros: Number(key.readBigInt64BE(end + 4) + POSTGRES_EPOCH_MICROS) }
}

/** What a row has beside its key. */
export function readValues(stream: Buffer, row: number): RowValues {
  const columns = stream.readInt16BE(row)
  let at = row + 6 + stream.readInt32BE(row + 2) + TS_BYTES
  const estimated = stream[at + 4] !== 0
  at += 5
  const values: (number | null)[] = []
  for (let column = KEY_COLUMNS; column < columns; column++) {
    const length = stream.readInt32BE(at)
    at += 4
    if (length === NULL) values.push(null)
    else {
      values.push(values.length < WHOLE_COLUMNS ? Number(stream.readBigInt64BE(at)) : stream.readDoubleBE(at))
      at += length
    }
  }
  return { estimated, values }
}

/** A row of a COPY stream. */
export function writeRow(key: Buffer, { estimated, values }: RowValues): Buffer {
  const present = values.reduce<number>((sum, value) => (value === null ? sum : sum + 1), 0)
  const row = Buffer.allocUnsafe(2 + key.length + 5 + 4 * values.length + 8 * present)
  row.writeInt16BE(KEY_COLUMNS + values.length)
  let at = 2 + key.copy(row, 2)
  row.writeInt32BE(1, at)
  row[at + 4] = estimated ? 1 : 0
  at += 5
  for (const [column, value] of values.entries()) {
    row.writeInt32BE(value === null ? NULL : 8, at)
    at += 4
    if (value === null) continue
    if (column < WHOLE_COLUMNS) row.writeBigInt64BE(BigInt(value), at)
    else row.writeDoubleBE(value, at)
    at += 8
  }
  return row
}

/**
 * Rows `first` up to, not including, `end` of a binary COPY stream, as a stream of their own.
 * @throws RangeError if the stream has fewer rows
 */
export function copyRange(stream: Buffer, first: number, end: number): Buffer {
  let at = HEADER_BYTES
  let from = at
  for (let row = 0; row < end; row++) {
    if (row === first) from = at
    at = nextRow(stream, at)
  }
  return copyStream([stream.subarray(first === end ? at : from, at)])
}

function nextRow(stream: Buffer, start: number): number {
  const columns = stream.readInt16BE(start)
  if (columns < 0) throw new RangeError('the COPY stream has fewer rows than were asked for')
  let at = start + 2
  for (let column = 0; column < columns; column++) {
    const length = stream.readInt32BE(at)
    at += 4 + (length === NULL ? 0 : length)
  }
  return at
}

/**
 * Row that an error of COPY names in its context ("COPY readings, line 7, column ts"), from 0;
 * undefined if it names none.
 */
export function rowOfContext(context: string | undefined, rows: number): number | undefined {
  // The context is translated. So it looks for the number after COPY, the table, a comma and a
  // word.
  const match = /^COPY [^,]+, \S+ (\d+)/m.exec(context ?? '')
  const row = Number(match?.[1] ?? 0) - 1
  return row >= 0 && row < rows ? row : undefined
}
