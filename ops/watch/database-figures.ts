import type { DatabaseState } from '../../connectors/postgres/database-state.ts'
import { type Figure, figure } from './metrics.ts'

/** The figures of a database. */
export function databaseFigures(database: 'telemetry' | 'app', state: DatabaseState): readonly Figure[] {
  const of = [database]
  return [
    figure('millrace_database_size_bytes', of, state.sizeBytes),
    ...(state.partitions === null ? [] : [figure('millrace_database_partitions', of, state.partitions)]),
    ...(state.walBytes === null ? [] : [figure('millrace_database_wal_bytes_total', of, state.walBytes)]),
    figure('millrace_database_connections', of, state.connections),
    figure('millrace_database_max_connections', of, state.maxConnections),
    figure('millrace_database_oldest_transaction_seconds', of, state.oldestTransactionSeconds ?? Number.NaN),
    figure('millrace_database_transaction_id_age', of, state.transactionIdAge),
    figure('millrace_database_autovacuum_freeze_max_age', of, state.freezeMaxAge),
  ]
}
