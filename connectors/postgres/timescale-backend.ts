import type { StorageBackend } from './backend.ts'
import { type Day, dayOf } from './days.ts'
import { APPEND_ONLY, columnDefinitions } from './readings-table.ts'

/** `readings` as a hypertable. Its chunks appear by themselves, so no row is ever outside them. */
export function createTimescaleBackend(): StorageBackend {
  return {
    name: 'timescaledb',
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
    async strays() {
      return 0n
    },
    async strayDays() {
      return []
    },
    async drainDay() {
      return undefined
    },
    async partitions(session) {
      const [chunks] = await session.query<{ count: bigint; first: Date | null; last: Date | null }>(
        'listing the chunks of readings',
        `SELECT count(*), min(range_start) AS first, max(range_end) - interval '1 microsecond' AS last FROM timescaledb_information.chunks c
         JOIN pg_class t ON t.oid = 'readings'::regclass JOIN pg_namespace n ON n.oid = t.relnamespace
         WHERE c.hypertable_schema = n.nspname AND c.hypertable_name = t.relname`,
      )
      const day = (date: Date | null | undefined): Day | null => (date instanceof Date ? dayOf(date.getTime()) : null)
      return { count: Number(chunks?.count ?? 0n), first: day(chunks?.first), last: day(chunks?.last) }
    },
  }
}
