import type { OffsetMove, SinkBatch } from '../../connectors/contract.ts'
import { leadingColumns, quantities } from '../../schemas/generated/readings.ts'

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1')
const POSTGRES_EPOCH_MS = Date.UTC(2000, 0, 1)
const MS_PER_DAY = 86_400_000

/** A row for `readings`. */
export interface TestRow {
  readonly device: string | Buffer
  readonly tsMs: number
  readonly estimated?: boolean
  readonly account?: number
  readonly site?: number
  readonly temperature?: number
  readonly humidity?: number
  readonly weight?: number
  /** No quantity of ours: a test adds it. */
  readonly ozone?: number
}

/** `count` rows of one device, a second apart. */
export function testRows(device: string, count: number, startMs = Date.UTC(2026, 10, 23)): readonly TestRow[] {
  return Array.from({ length: count }, (_, index) => ({ device, tsMs: startMs + index * 1000, temperature: index / 10 }))
}

/** A batch of rows, whose moves say which rows are theirs. It has the columns that any row has. */
export function sinkBatch(
  rows: readonly TestRow[],
  moves: readonly OffsetMove[],
  known: readonly { readonly name: string }[] = quantities,
): SinkBatch {
  const present = new Set(rows.flatMap((row) => Object.keys(row)))
  const names = known.map(({ name }) => name).filter((name) => present.has(name))
  return {
    copy: Buffer.concat([SIGNATURE, ...rows.map((row) => encoded(row, names)), int16(-1)]),
    columns: [...leadingColumns, ...names],
    rows: rows.length,
    days: [...new Set(rows.map(({ tsMs }) => Math.floor(tsMs / MS_PER_DAY)))],
    moves,
  }
}

function encoded({ device, tsMs, estimated, account, site, ...given }: TestRow, names: readonly string[]): Buffer {
  const ts = Buffer.alloc(8)
  ts.writeBigInt64BE(BigInt(tsMs - POSTGRES_EPOCH_MS) * 1000n)
  const values = names.map((name) => {
    const value = (given as Readonly<Record<string, number | undefined>>)[name]
    return value === undefined ? null : double(value)
  })
  const columns = [Buffer.from(device), ts, Buffer.from([estimated === true ? 1 : 0]), whole(account), whole(site), ...values]
  return Buffer.concat([int16(columns.length), ...columns.flatMap((value) => [int32(value?.length ?? -1), value ?? Buffer.alloc(0)])])
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function whole(value: number | undefined): Buffer | null {
  if (value === undefined) return null
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(BigInt(value))
  return bytes
}

function double(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(value)
  return bytes
}
