/** Readings of devices and their channels, as charts take them; the reader's rights are enough. */
import { type ArchivedDay, isInArchive } from './archived-days.ts'
import { literal, quoted } from './readings-table.ts'
import type { Session } from './session.ts'

/** The newest value of a quantity of a device, or of one of its channels. */
export interface NewestValue {
  /** As in readings: `hive-7` or `hive-7/brood`. */
  readonly deviceId: string
  readonly quantity: string
  readonly value: number
  /** Milliseconds since 1970. */
  readonly at: number
}

/** Times are milliseconds since 1970; `toMs` is not included. */
export interface SeriesSpan {
  /** As in readings. */
  readonly deviceIds: readonly string[]
  readonly fromMs: number
  readonly toMs: number
}

/** One quantity of a device or channel in the order of time. */
export interface Series {
  readonly deviceId: string
  readonly quantity: string
  /** Milliseconds since 1970: of the reading, or the beginning of the bucket. */
  readonly ts: number[]
  /** Values, or the means of buckets. */
  readonly values: number[]
  /** The smallest and largest value of each bucket; empty for readings. */
  readonly min: number[]
  readonly max: number[]
}

/** Monday, as in readings_of. */
const ORIGIN = "timestamptz '2001-01-01 00:00:00+00'"
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

/**
 * The newest value of each quantity of devices and their channels, as far as the job of the
 * roll-ups has come, which is a minute ago or so, and what the newest reading of the last hours
 * has. Two look-ups by key for each device, also if the job is behind: view latest_readings would
 * then read all that is not done.
 */
export async function newestValues(
  session: Session,
  devices: readonly string[],
  quantities: readonly string[],
): Promise<readonly NewestValue[]> {
  if (devices.length === 0 || quantities.length === 0) return []
  const valuesOf = (alias: string, at: (name: string) => string): string =>
    quantities.map((name) => `(${literal(name)}, ${alias}.${quoted(name)}, ${alias}.${quoted(at(name))})`).join(', ')
  return await session.query<NewestValue & Record<string, unknown>>(
    'reading the newest values',
    // Two ranges of the key for each device: its own row, and those of its channels.
    `WITH kept AS MATERIALIZED (
       SELECT l.* FROM unnest($1::text[]) AS d (id) CROSS JOIN LATERAL (
         SELECT * FROM latest_readings_kept WHERE device_id = d.id
         UNION ALL SELECT * FROM latest_readings_kept WHERE device_id > d.id || '/' AND device_id < d.id || '0' OFFSET 0) AS l
     ), fresh AS MATERIALIZED (
       SELECT r.* FROM (SELECT device_id FROM kept UNION SELECT unnest($1::text[])) AS d (id) CROSS JOIN LATERAL (
         SELECT * FROM readings WHERE device_id = d.id AND ts > now() - interval '2 hours' AND ts <= now() + interval '1 hour'
         ORDER BY ts DESC LIMIT 1) AS r
     ), found AS (
       SELECT k.device_id, v.* FROM kept AS k CROSS JOIN LATERAL (VALUES ${valuesOf('k', (name) => `${name}_at`)}) AS v (quantity, value, at)
       UNION ALL SELECT f.device_id, v.* FROM fresh AS f CROSS JOIN LATERAL (VALUES ${valuesOf('f', () => 'ts')}) AS v (quantity, value, at)
     )
     SELECT DISTINCT ON (device_id, quantity) device_id AS "deviceId", quantity, value, ${millis('at')} AS at
     FROM found WHERE value IS NOT NULL ORDER BY device_id, quantity, found.at DESC`,
    [devices],
  )
}

/**
 * Readings by device and time, as they are.
 * @returns undefined if there are more than `most`
 */
export async function readingSeries(
  session: Session,
  { deviceIds, fromMs, toMs }: SeriesSpan,
  quantities: readonly string[],
  most: number,
): Promise<readonly Series[] | undefined> {
  if (quantities.length === 0) return []
  const columns = quantities.map((name, index) => `${quoted(name)} AS q${index}`)
  const rows = await session.query<Row>(
    'reading readings',
    `SELECT device_id AS "deviceId", ${millis('ts')} AS t, ${columns.join(', ')} FROM readings
     WHERE device_id = ANY ($1::text[]) AND ts >= to_timestamp($2) AND ts < to_timestamp($3) LIMIT $4`,
    [deviceIds, fromMs / 1000, toMs / 1000, most + 1],
  )
  if (rows.length > most) return undefined
  const sorted = [...rows].sort((a, b) => a.t - b.t)
  return gather(sorted, quantities, (series, row, index) => {
    const value = row[`q${index}`]
    if (typeof value !== 'number') return
    series.ts.push(row.t)
    series.values.push(value)
  })
}

/**
 * Mean, smallest and largest value of each time bucket with a value, from the coarsest tier that
 * answers exactly: days, hours, or readings. Buckets begin at multiples of their length; those that
 * the ends of the span are in are whole.
 */
export async function bucketSeries(
  session: Session,
  { deviceIds, fromMs, toMs }: SeriesSpan,
  quantities: readonly string[],
  everyMs: number,
): Promise<readonly Series[]> {
  if (quantities.length === 0) return []
  const [table, time] =
    everyMs % DAY_MS === 0 ? ['readings_daily', 'day'] : everyMs % HOUR_MS === 0 ? ['readings_hourly', 'hour'] : ['readings', 'ts']
  const figures = quantities.map((name, index) => {
    const part = (what: string): string => quoted(`${name}_${what}`)
    return table === 'readings'
      ? `avg(${quoted(name)}) AS q${index}, min(${quoted(name)}) AS min${index}, max(${quoted(name)}) AS max${index}`
      : `sum(${part('sum')}) / nullif(sum(${part('count')}), 0) AS q${index}, min(${part('min')}) AS min${index}, max(${part('max')}) AS max${index}`
  })
  const every = `interval '${everyMs} milliseconds'`
  const rows = await session.query<Row>(
    'reading roll-ups',
    `SELECT device_id AS "deviceId", ${millis(`date_bin(${every}, ${time}, ${ORIGIN})`)} AS t, ${figures.join(', ')} FROM ${table}
     WHERE device_id = ANY ($1::text[]) AND ${time} >= date_bin(${every}, to_timestamp($2), ${ORIGIN})
       AND ${time} < date_bin(${every}, to_timestamp($3) - interval '1 microsecond', ${ORIGIN}) + ${every}
     GROUP BY 1, 2 ORDER BY 2`,
    [deviceIds, fromMs / 1000, toMs / 1000],
  )
  return gather(rows, quantities, addBucket)
}

/**
 * Mean, smallest and largest value of each hour, as far as the job of the roll-ups has come. Of
 * many devices the view readings_hourly would compute the hour that goes on for each.
 */
export async function keptHours(session: Session, { deviceIds, fromMs, toMs }: SeriesSpan, quantity: string): Promise<readonly Series[]> {
  const part = (what: string): string => quoted(`${quantity}_${what}`)
  const rows = await session.query<Row>(
    'reading hours',
    `SELECT device_id AS "deviceId", ${millis('hour')} AS t, ${part('sum')} / ${part('count')} AS q0, ${part('min')} AS min0, ${part('max')} AS max0
     FROM readings_hourly_kept
     WHERE device_id = ANY ($1::text[]) AND hour >= to_timestamp($2) AND hour < to_timestamp($3) AND ${part('count')} > 0 ORDER BY hour`,
    [deviceIds, fromMs / 1000, toMs / 1000],
  )
  return gather(rows, [quantity], addBucket)
}

/** Whether readings of the span are in the archive, and not in the table. Roll-ups stay. */
export async function isArchived(session: Session, fromMs: number, toMs: number): Promise<boolean> {
  const days = await session.query<Pick<ArchivedDay, 'state'> & Record<string, unknown>>(
    'looking for archived days',
    `SELECT DISTINCT state FROM archived_days
     WHERE day > (to_timestamp($1) AT TIME ZONE 'UTC')::date - 1 AND day < to_timestamp($2) AT TIME ZONE 'UTC'`,
    [fromMs / 1000, toMs / 1000],
  )
  return days.some(isInArchive)
}

interface Row extends Record<string, unknown> {
  readonly deviceId: string
  /** Milliseconds since 1970. */
  readonly t: number
}

function addBucket(series: Series, row: Row, index: number): void {
  const value = row[`q${index}`]
  if (typeof value !== 'number') return
  series.ts.push(row.t)
  series.values.push(value)
  series.min.push(row[`min${index}`] as number)
  series.max.push(row[`max${index}`] as number)
}

/** A series for each device and quantity that has a value. */
function gather(
  rows: readonly Row[],
  quantities: readonly string[],
  take: (series: Series, row: Row, index: number) => void,
): readonly Series[] {
  const found = new Map<string, Series[]>()
  for (const row of rows) {
    let own = found.get(row.deviceId)
    if (own === undefined) {
      own = quantities.map((quantity) => ({ deviceId: row.deviceId, quantity, ts: [], values: [], min: [], max: [] }))
      found.set(row.deviceId, own)
    }
    for (const [index, series] of own.entries()) take(series, row, index)
  }
  return [...found.values()].flat().filter(({ ts }) => ts.length > 0)
}

function millis(time: string): string {
  return `(extract(epoch FROM ${time}) * 1000)::double precision`
}
