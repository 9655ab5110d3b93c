import type { StorageBackend } from './backend.ts'
import { compressChunks } from './columnstore.ts'
import { instant } from './days.ts'
import { retryOnLock } from './lock-retry.ts'
import { changed } from './partition-dropping.ts'
import { LOCK_TIMEOUT_MS } from './partition-turns.ts'
import { APPEND_ONLY, columnDefinitions, literal } from './readings-table.ts'
import type { Session } from './session.ts'
import { settleRollups } from './settle-rollups.ts'

interface ChunkRow extends Record<string, unknown> {
  readonly name: string
  readonly begins: Date
  readonly ends: Date
  readonly rows: number
  readonly bytes: number
  readonly index_bytes: number
  readonly heap_bytes: number
}

const ATTEMPTS = 20

/** `readings` as a hypertable. Its chunks appear by themselves, so no row is ever outside them. */
export function createTimescaleBackend(): StorageBackend {
  return {
    name: 'timescaledb',
    prepares: false,
    async create(session, columns) {
      // Without the default index on ts, which would cost COPY 40 %. The primary key serves queries
      // by device, and chunk exclusion those by time.
      await session.script(
        'creating hypertable readings',
        `CREATE TABLE readings (${columnDefinitions(columns)}, PRIMARY KEY (device_id, ts)) WITH (${APPEND_ONLY});
         SELECT create_hypertable('readings', by_range('ts', interval '1 day'), create_default_indexes => false)`,
      )
    },
    async ensureDays() {},
    async make() {
      return { made: [], moved: 0, blocked: [] }
    },
    async strays() {
      return 0n
    },
    async strayDays() {
      return { days: [], exact: true }
    },
    async list(session) {
      const chunks = await session.query<ChunkRow>(
        'listing the chunks of readings',
        `SELECT c.chunk_name::text AS name, c.range_start AS begins, c.range_end AS ends,
           greatest(r.reltuples, pg_stat_get_live_tuples(r.oid))::float8 AS rows,
           pg_table_size(r.oid)::float8 AS bytes, pg_indexes_size(r.oid)::float8 AS index_bytes, pg_relation_size(r.oid)::float8 AS heap_bytes
         FROM timescaledb_information.chunks c
         JOIN pg_class t ON t.oid = 'readings'::regclass JOIN pg_namespace n ON n.oid = t.relnamespace
         JOIN pg_namespace m ON m.nspname = c.chunk_schema JOIN pg_class r ON r.relnamespace = m.oid AND r.relname = c.chunk_name
         WHERE c.hypertable_schema = n.nspname AND c.hypertable_name = t.relname ORDER BY c.range_start`,
      )
      return chunks.map(({ name, begins, ends, rows, bytes, index_bytes, heap_bytes }) => ({
        name,
        fromMs: begins.getTime(),
        toMs: ends.getTime(),
        own: true,
        filled: heap_bytes > 0,
        rows: rows > 0 || heap_bytes === 0 ? Math.max(0, rows) : null,
        bytes,
        indexBytes: index_bytes,
      }))
    },
    async tables(session, partitions) {
      const found: string[] = []
      for (const { fromMs, toMs } of partitions) {
        const chunk = await chunkOf(session, fromMs, toMs)
        if (chunk === undefined) throw changed('looking for chunks')
        found.push(chunk)
      }
      return found
    },
    async drop(session, partitions, also) {
      for (const { name, fromMs, toMs } of partitions)
        await retryOnLock(
          session,
          async () => {
            await session.script(`dropping chunk ${name}`, `BEGIN; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`)
            const chunk = await chunkOf(session, fromMs, toMs)
            if (chunk === undefined && also !== undefined) throw changed(`dropping chunk ${name}`)
            if (chunk !== undefined) await settleRollups(session, { fromMs, toMs }, `LOCK TABLE ${chunk} IN SHARE MODE`)
            if (also !== undefined) await session.script(`dropping chunk ${name}`, `LOCK TABLE ${chunk} IN SHARE MODE`)
            await also?.()
            await session.commit(
              `dropping chunk ${name}`,
              `SELECT drop_chunks('readings', older_than => timestamptz ${literal(instant(toMs))}, newer_than => timestamptz ${literal(instant(fromMs))})`,
            )
          },
          ATTEMPTS,
        )
    },
    async dropStrays() {
      return 0
    },
    compress: compressChunks,
    async finish() {
      return []
    },
  }
}

/** The chunk of exactly this time, ready for SQL. */
async function chunkOf(session: Session, fromMs: number, toMs: number): Promise<string | undefined> {
  const [found] = await session.query<{ chunk: string }>(
    'looking for a chunk',
    `SELECT show_chunks('readings', older_than => $1::timestamptz, newer_than => $2::timestamptz)::text AS chunk`,
    [instant(toMs), instant(fromMs)],
  )
  return found?.chunk
}
