import { DAY_MS, dayRange } from '../../processors/store/time-ranges.ts'
import type { StoredPartition, Strays } from './backend.ts'
import { partitionDay } from './days.ts'
import type { Session } from './session.ts'

/** So much of the default partition is looked at; of a larger one, a sample of this size. */
const MOST_LOOKED_AT_BYTES = 64 * 1024 * 1024

interface PartitionRow extends Record<string, unknown> {
  readonly name: string
  /** Epoch in seconds; null if the bounds are not those of a range of one time. */
  readonly begins: number | null
  readonly ends: number | null
  readonly rows: number
  readonly bytes: number
  readonly index_bytes: number
  /** Of the rows alone. An empty table has a TOAST table that is not. */
  readonly heap_bytes: number
}

/** Sizes of a partition that is itself partitioned are those of all that is below it. */
const LIST = `SELECT name, extract(epoch FROM begins)::float8 AS begins, extract(epoch FROM ends)::float8 AS ends, rows, bytes, index_bytes, heap_bytes
  FROM (
    SELECT c.relname AS name,
      CASE WHEN bound[1] = 'MINVALUE' THEN '-infinity'::timestamptz ELSE trim(bound[1], '''')::timestamptz END AS begins,
      CASE WHEN bound[2] = 'MAXVALUE' THEN 'infinity'::timestamptz ELSE trim(bound[2], '''')::timestamptz END AS ends,
      leaf.rows, leaf.bytes, leaf.index_bytes, leaf.heap_bytes
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid,
      regexp_match(pg_get_expr(c.relpartbound, c.oid), '^FOR VALUES FROM \\((MINVALUE|''[^'']+'')\\) TO \\((MAXVALUE|''[^'']+'')\\)$') AS bound,
      LATERAL (
        SELECT sum(greatest(l.reltuples, pg_stat_get_live_tuples(l.oid)))::float8 AS rows,
          sum(pg_table_size(l.oid))::float8 AS bytes, sum(pg_indexes_size(l.oid))::float8 AS index_bytes,
          sum(pg_relation_size(l.oid))::float8 AS heap_bytes
        FROM pg_partition_tree(c.oid) t JOIN pg_class l ON l.oid = t.relid WHERE t.isleaf
      ) AS leaf
    WHERE i.inhparent = 'readings'::regclass AND pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT'
  ) AS partition ORDER BY begins, name`

/** The partitions of `readings` but its default one, in the order of time. */
export async function listPartitions(session: Session): Promise<readonly StoredPartition[]> {
  const found = await session.query<PartitionRow>('listing the partitions of readings', LIST)
  return found.map(({ name, begins, ends, rows, bytes, index_bytes, heap_bytes }) => {
    const range = { fromMs: (begins ?? Number.NaN) * 1000, toMs: (ends ?? Number.NaN) * 1000 }
    const day = partitionDay(name)
    const own = day !== undefined && range.fromMs >= dayRange(day).fromMs && range.toMs <= dayRange(day).toMs
    const filled = heap_bytes > 0
    return { name, ...range, own, filled, rows: rows > 0 || !filled ? Math.max(0, rows) : null, bytes, indexBytes: index_bytes }
  })
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
