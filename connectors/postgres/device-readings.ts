import { iso8601 } from '../../processors/iso8601.ts'
import type { ArchiveColumn } from '../../processors/store/archive-figures.ts'
import { quoted } from './readings-table.ts'
import type { Session } from './session.ts'

/** Which readings. Times are microseconds since 1970; `toMicros` is not among them. */
export interface ReadingsSpan {
  readonly device: string
  readonly fromMicros: number
  readonly toMicros: number
}

type Value = string | number | boolean | null

/**
 * The first rows of a device from a time on, in the order of their times: the values of the columns
 * given. A time is microseconds since 1970.
 */
export async function readingsPage(
  session: Session,
  columns: readonly ArchiveColumn[],
  { device, fromMicros, toMicros }: ReadingsSpan,
  limit: number,
): Promise<Value[][]> {
  const list = columns.map(({ name, kind }, index) => `${selected(quoted(name), kind)} AS c${index}`)
  const rows = await session.query<Record<string, unknown>>(
    'reading readings',
    `SELECT ${list.join(', ')} FROM readings WHERE device_id = $1 AND ts >= $2 AND ts < $3 ORDER BY ts LIMIT ${limit}`,
    [device, iso8601(fromMicros), iso8601(toMicros)],
  )
  return rows.map((row) => columns.map((_, index) => value(row[`c${index}`])))
}

/** A row of `readings_of`, with the device before it, in the order of `bucketColumns`. */
export async function bucketsOf(
  session: Session,
  { device, fromMicros, toMicros }: ReadingsSpan,
  everySeconds: number,
  quantities: readonly string[],
): Promise<Value[][]> {
  const rows = await session.query<Record<string, unknown>>(
    'reading roll-ups',
    `SELECT ${micros('bucket')} AS bucket, quantity, count, avg, min, max, sum, first, last
     FROM readings_of($1, $2, $3, make_interval(secs => $4)) WHERE quantity = ANY ($5) ORDER BY bucket, quantity COLLATE "C"`,
    [device, iso8601(fromMicros), iso8601(toMicros), everySeconds, quantities],
  )
  return rows.map((row) => [
    device,
    ...['bucket', 'quantity', 'count', 'avg', 'min', 'max', 'sum', 'first', 'last'].map((name) => value(row[name])),
  ])
}

function selected(column: string, kind: ArchiveColumn['kind']): string {
  switch (kind) {
    case 'timestamp':
      return micros(column)
    case 'text':
      return `${column}::text`
    case 'whole':
      return `${column}::bigint`
    case 'double':
      return `${column}::double precision`
    case 'boolean':
      return column
  }
}

function micros(timestamp: string): string {
  return `CAST(extract(epoch FROM ${timestamp}) * 1000000 AS bigint)`
}

/** Whole numbers of the line are within 2⁵³. */
function value(given: unknown): Value {
  return typeof given === 'bigint' ? Number(given) : (given as Value)
}
