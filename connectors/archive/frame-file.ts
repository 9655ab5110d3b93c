import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { KafkaRecord, RecordHeaders } from '../../processors/contract.ts'
import { ConnectorError } from '../contract.ts'
import { type Duck, literal } from './duckdb.ts'

/** What a file was made of. */
export interface WrittenFrames {
  readonly records: number
  /** Of all of it: offsets, times, keys, values and headers. */
  readonly digest: string
}

/**
 * Records of a row group. Some are large, and a group is encoded in memory.
 */
const ROW_GROUP_ROWS = 16_384
const COLUMNS = "{'offset': 'BIGINT', 'received': 'TIMESTAMPTZ', 'key': 'VARCHAR', 'value': 'VARCHAR', 'headers': 'VARCHAR'}"

/** Writes records into a Parquet file. It is on the disk when this resolves. */
export async function writeFrames(
  duck: Duck,
  path: string,
  partition: number,
  records: AsyncIterable<readonly KafkaRecord[]>,
): Promise<WrittenFrames> {
  const hash = createHash('sha256')
  let count = 0
  async function* lines(): AsyncGenerator<string> {
    for await (const some of records) {
      let text = ''
      for (const record of some) {
        const bytes = [record.key, record.value, headerText(record.headers)].map(hexOf).join(',')
        text += `${record.offset},${new Date(record.timestampMs).toISOString()},${bytes}\n`
        hash.update(`${record.offset},${record.timestampMs},${bytes}\n`)
        count++
      }
      if (text !== '') yield text
    }
  }
  await duck.reading(
    'writing frames as Parquet',
    Readable.from(lines(), { objectMode: false }),
    (pipe) =>
      `COPY (SELECT ${partition}::INTEGER AS partition, "offset", received, unhex(key) AS key, unhex(value) AS value, decode(unhex(headers)) AS headers
       FROM read_csv(${literal(pipe)}, auto_detect = false, header = false, delim = ',', quote = '', escape = '', nullstr = '-', parallel = false,
         max_line_size = ${LONGEST_LINE}, buffer_size = ${LONGEST_LINE * 2}, columns = ${COLUMNS}))
       TO ${literal(path)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${ROW_GROUP_ROWS})`,
  )
  const file = await open(path, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
  return { records: count, digest: hash.digest('hex') }
}

/** The largest record that Kafka has here, as hexadecimal. */
const LONGEST_LINE = 16 << 20

/** What a file has, as it is read back. */
export async function readBack(duck: Duck, path: string): Promise<WrittenFrames> {
  const hash = createHash('sha256')
  let records = 0
  for await (const some of readFrames(duck, path)) {
    for (const { offset, timestampMs, key, value, headers } of some) {
      hash.update(`${offset},${timestampMs},${[key, value, headerText(headers)].map(hexOf).join(',')}\n`)
      records++
    }
  }
  return { records, digest: hash.digest('hex') }
}

/** Which records of a file. */
export interface FrameRange {
  readonly from: bigint
  /** It is not among them. */
  readonly next: bigint
  /** Only of these keys; of all if it is absent. */
  readonly keys?: ReadonlySet<string> | undefined
}

/** Keys that are named in SQL: of more, all records are read. */
const MOST_KEYS = 1_000

/** The records of a file in the order of their offsets; all of them without a range. */
export async function* readFrames(duck: Duck, path: string, range?: FrameRange): AsyncGenerator<readonly KafkaRecord[]> {
  const { keys } = range ?? {}
  const own =
    keys === undefined || keys.size > MOST_KEYS
      ? ''
      : ` AND key IN (${[...keys].map((key) => `unhex('${Buffer.from(key).toString('hex')}')`).join(', ')})`
  const where = range === undefined ? '' : `WHERE "offset" >= ${range.from} AND "offset" < ${range.next}${own}`
  const shared = new Map<string, RecordHeaders>()
  let last = -1n
  const sql = `SELECT "offset", epoch_ms(received), key, value, headers FROM read_parquet(${literal(path)}, hive_partitioning = false) ${where}`
  for await (const chunk of duck.stream('reading archived frames', sql)) {
    yield chunk.map(([offset, timestampMs, key, value, headers]): KafkaRecord => {
      if ((offset as bigint) <= last) throw new ConnectorError('archive-order', false, `${path}: offset ${offset} is not after ${last}`)
      last = offset as bigint
      return {
        offset: offset as bigint,
        timestampMs: Number(timestampMs),
        key: bytesOf(key),
        value: bytesOf(value),
        ...(headers === null ? {} : { headers: headersOf(headers as string, shared) }),
      }
    })
  }
}

function hexOf(bytes: Buffer | null): string {
  return bytes === null ? '-' : bytes.toString('hex')
}

/** Names with values as hexadecimal, as JSON; null if there are none. */
function headerText(headers: RecordHeaders | undefined): Buffer | null {
  if (headers === undefined) return null
  const known = texts.get(headers)
  if (known !== undefined) return known
  const text = Buffer.from(JSON.stringify(headers.map(({ name, value }) => [name, value === null ? null : value.toString('hex')])))
  texts.set(headers, text)
  return text
}

/** Records of one firmware share their headers. */
const texts = new WeakMap<RecordHeaders, Buffer>()
const MOST_SHARED = 1_000

function headersOf(text: string, shared: Map<string, RecordHeaders>): RecordHeaders {
  const known = shared.get(text)
  if (known !== undefined) return known
  const pairs = JSON.parse(text) as readonly (readonly [string, string | null])[]
  const headers = pairs.map(([name, value]) => ({ name, value: value === null ? null : Buffer.from(value, 'hex') }))
  if (shared.size < MOST_SHARED) shared.set(text, headers)
  return headers
}

/** DuckDB's own object for bytes. */
function bytesOf(value: unknown): Buffer | null {
  return value === null ? null : Buffer.from((value as { readonly bytes: Uint8Array }).bytes)
}
