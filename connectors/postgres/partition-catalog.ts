import { DAY_MS, dayRange } from '../../processors/store/time-ranges.ts'
import type { StoredPartition, Strays } from './backend.ts'
import { partitionDay } from './days.ts'
import type { Session } from './session.ts'

/** So much of the default partition is looked at; of a larger one, a sample of this size. */
const MOST_LOOKED_AT_BYTES = 64 * 1024 * 1024

interface BoundsRow extends Record<string, unknown> {
  readonly name: string
  /** Epoch in seconds; null if the bounds are not those of a range of one time. */
  readonly begins: number | null
  readonly ends: number | null
}

interface PartitionRow extends BoundsRow {
  readonly rows: number
  readonly bytes: number
  readonly index_bytes: number
  /** Of the rows alone. An empty table has a TOAST table that is not. */
  readonly heap_bytes: number
}

/** The partitions but the default one, and their bounds as text. */
const BOUNDS = `SELECT c.oid, c.relname AS name, regexp_match(pg_get_expr(c.relpartbound, c.oid),
    '^FOR VALUES FROM \\((MINVALUE|''[^'']+'')\\) TO \\((MAXVALUE|''[^'']+'')\\)$') AS bound
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
  WHERE i.inhparent = 'readings'::regclass AND pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT'`
const BEGINS = epoch("CASE WHEN bound[1] = 'MINVALUE' THEN '-infinity' ELSE trim(bound[1], '''') END")
const ENDS = epoch("CASE WHEN bound[2] = 'MAXVALUE' THEN 'infinity' ELSE trim(bound[2], '''') END")

/** Sizes of a partition that is itself partitioned are those of all that is below it. */
const SIZES = `SELECT sum(greatest(l.reltuples, pg_stat_get_live_tuples(l.oid)))::float8 AS rows,
    sum(pg_table_size(l.oid))::float8 AS bytes, sum(pg_indexes_size(l.oid))::float8 AS index_bytes,
    sum(pg_relation_size(l.oid))::float8 AS heap_bytes
  FROM pg_partition_tree(b.oid) t JOIN pg_class l ON l.oid = t.relid WHERE t.isleaf`

/** A partition's name and range, and whether Millrace made it. */
export type PartitionRange = Pick<StoredPartition, 'name' | 'own' | 'fromMs' | 'toMs'>

/**
 * The partitions of `readings` but its default one, in the order of time. It locks none of them,
 * and looks at no files.
 */
export async function partitionRanges(session: Session): Promise<readonly PartitionRange[]> {
  const text = `SELECT name, ${BEGINS} AS begins, ${ENDS} AS ends FROM (${BOUNDS}) AS b ORDER BY 2, 1`
  return (await session.query<BoundsRow>('listing the partitions of readings', text)).map(ranged)
}

/** The same with sizes. */
export async function listPartitions(session: Session): Promise<readonly StoredPartition[]> {
  const text = `SELECT name, ${BEGINS} AS begins, ${ENDS} AS ends, s.* FROM (${BOUNDS}) AS b, LATERAL (${SIZES}) AS s ORDER BY 2, 1`
  const found = await session.query<PartitionRow>('listing the partitions of readings and their sizes', text)
  return found.map((row) => {
    const { rows, bytes, index_bytes: indexBytes, heap_bytes } = row
    const filled = heap_bytes > 0
    return { ...ranged(row), filled, rows: rows > 0 || !filled ? Math.max(0, rows) : null, bytes, indexBytes }
  })
}

function ranged({ name, begins, ends }: BoundsRow): PartitionRange {
  const range = { fromMs: (begins ?? Number.NaN) * 1000, toMs: (ends ?? Number.NaN) * 1000 }
  const day = partitionDay(name)
  const own = day !== undefined && range.fromMs >= dayRange(day).fromMs && range.toMs <= dayRange(day).toMs
  return { name, ...range, own }
}

function epoch(text: string): string {
  return `extract(epoch FROM (${text})::timestamptz)::float8`
}

/** A default partition, ready for SQL, and the size of its rows. */
export interface DefaultPartition {
  readonly name: string
  readonly bytes: number
}

export async function defaultPartition(session: Session): Promise<DefaultPartition | undefined> {
  const [found] = await session.query<{ name: string; bytes: number }>(
    'looking for the default partition',
    `SELECT partdefid::regclass::text AS name, pg_relation_size(partdefid)::float8 AS bytes
     FROM pg_partitioned_table WHERE partrelid = 'readings'::regclass AND partdefid <> 0`,
  )
  return found
}

/** The rows of the default partition by day. */
export async function strayDays(session: Session): Promise<Strays> {
  const place = await defaultPartition(session)
  if (place === undefined || place.bytes === 0) return { days: [], exact: true }
  const share = Math.min(1, MOST_LOOKED_AT_BYTES / place.bytes)
  const sample = share < 1 ? `TABLESAMPLE SYSTEM (${share * 100})` : ''
  const rows = await session.query<{ day: number | null; rows: number }>(
    'counting rows of the default partition',
    `SELECT CASE WHEN isfinite(ts) AND ts >= '0001-01-01 00:00:00+00' AND ts < '9999-12-31 00:00:00+00'
         THEN floor(extract(epoch FROM ts) / ${DAY_MS / 1000})::integer END AS day, count(*)::float8 AS rows
     FROM ${place.name} ${sample} GROUP BY 1 ORDER BY 1`,
  )
  return { days: rows.map(({ day, rows: count }) => ({ day, rows: Math.round(count / share) })), exact: share === 1 }
}
