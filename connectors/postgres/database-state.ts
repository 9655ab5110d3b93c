import type { Session } from './session.ts'

/** How a database, and the server that has it, are. */
export interface DatabaseState {
  readonly sizeBytes: number
  /** Partitions or chunks of `readings`, without the default one; null without such a table. */
  readonly partitions: number | null
  /** Position in the log of changes (WAL), in bytes; null on a standby. */
  readonly walBytes: number | null
  /** Of clients, to all databases of the server. */
  readonly connections: number
  readonly maxConnections: number
  /**
   * Age of the oldest open transaction of another client here; 0 if there is none, null if this
   * role may not see those of others.
   */
  readonly oldestTransactionSeconds: number | null
  readonly transactionIdAge: number
  readonly freezeMaxAge: number
}

/**
 * Asks catalogs only: no table is opened, and no lock is waited for. All but the oldest transaction
 * any role may ask; that one needs pg_read_all_stats.
 */
export async function databaseState(session: Session): Promise<DatabaseState> {
  const [row] = await session.query<DatabaseState & Record<string, unknown>>(
    'reading the state of the database',
    `SELECT pg_database_size(current_database())::double precision AS "sizeBytes",
       CASE WHEN to_regclass('readings') IS NOT NULL THEN
         (SELECT count(*) FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
          WHERE inhparent = to_regclass('readings') AND pg_get_expr(c.relpartbound, c.oid) IS DISTINCT FROM 'DEFAULT')::double precision
       END AS partitions,
       CASE WHEN NOT pg_is_in_recovery() THEN (pg_current_wal_lsn() - '0/0')::double precision END AS "walBytes",
       (SELECT count(*) FROM pg_stat_activity
        WHERE usesysid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend')::double precision AS connections,
       current_setting('max_connections')::double precision AS "maxConnections",
       CASE WHEN pg_has_role('pg_read_all_stats', 'USAGE') THEN coalesce((
         SELECT extract(epoch FROM clock_timestamp() - min(xact_start)) FROM pg_stat_activity
         WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()), 0)::double precision
       END AS "oldestTransactionSeconds",
       (SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database())::double precision AS "transactionIdAge",
       current_setting('autovacuum_freeze_max_age')::double precision AS "freezeMaxAge"`,
    [],
  )
  return row as DatabaseState
}
