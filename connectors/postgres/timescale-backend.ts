import type { StorageBackend } from './backend.ts'
import { APPEND_ONLY, columnDefinitions } from './readings-table.ts'

/** `readings` as a hypertable: its chunks appear by themselves, so that no row is ever astray. */
export function createTimescaleBackend(): StorageBackend {
  return {
    name: 'timescaledb',
    async create(session, columns) {
      // Without its default index on ts: the primary key serves queries by device, chunk exclusion those by time, and it costs COPY 40 %.
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
    async drain() {
      return []
    },
  }
}
