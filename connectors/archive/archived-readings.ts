import { iso8601 } from '../../processors/iso8601.ts'
import type { ArchiveColumn } from '../../processors/store/archive-figures.ts'
import { ConnectorError } from '../contract.ts'
import { type Duck, literal, quotedName } from './duckdb.ts'

/** Which readings. Times are microseconds since 1970; `toMicros` is not among them. */
export interface DeviceSpan {
  readonly device: string
  readonly fromMicros: number
  readonly toMicros: number
}

/**
 * A device's rows of an archived day, in the order of their times, some thousand at a time: the
 * values of the columns given, null for those that the file does not have. A time is microseconds
 * since 1970.
 * @throws ConnectorError, also if the file's rows are not in order
 */
export async function* archivedReadings(
  duck: Duck,
  path: string,
  columns: readonly ArchiveColumn[],
  { device, fromMicros, toMicros }: DeviceSpan,
): AsyncGenerator<(string | number | boolean | null)[][]> {
  const from = `read_parquet(${literal(path)}, hive_partitioning = false)`
  const present = new Set(
    (await duck.rows('reading the columns of an archived day', `DESCRIBE SELECT * FROM ${from}`)).map(({ column_name }) => column_name),
  )
  const list = columns.map(({ name, kind }) => {
    if (!present.has(name)) return 'NULL'
    return kind === 'timestamp' ? `epoch_us(${quotedName(name)})` : quotedName(name)
  })
  const time = columns.findIndex(({ name }) => name === 'ts')
  const sql = `SELECT ${list.join(', ')} FROM ${from} WHERE device_id = ${literal(device)}
    AND ts >= TIMESTAMPTZ ${literal(iso8601(fromMicros))} AND ts < TIMESTAMPTZ ${literal(iso8601(toMicros))}`
  let last = Number.NEGATIVE_INFINITY
  for await (const chunk of duck.stream('reading an archived day', sql)) {
    const rows = chunk.map((row) => row.map(cell))
    for (const row of rows) {
      const ts = row[time] as number
      if (ts <= last) throw new ConnectorError('archive-order', false, `${path}: the rows of ${device} are not in order at ${iso8601(ts)}`)
      last = ts
    }
    yield rows
  }
}

/** Whole numbers of the archive are those of the line: within 2⁵³. */
function cell(value: unknown): string | number | boolean | null {
  return typeof value === 'bigint' ? Number(value) : (value as string | number | boolean | null)
}
