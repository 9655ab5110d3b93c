import type { Day } from './days.ts'
import type { Column } from './readings-table.ts'
import type { Session } from './session.ts'

/** How table `readings` is kept. Both have the same columns and the primary key (device_id, ts). */
export interface StorageBackend {
  readonly name: BackendName
  /** Creates the table, which does not exist. Runs inside the migration's transaction. */
  create(session: Session, columns: readonly Column[]): Promise<void>
  /** Makes sure that rows of these days find a place of their own. To be called outside a transaction; cheap for days that are known. */
  ensureDays(session: Session, days: readonly Day[]): Promise<void>
  /** Rows that lie outside every day's partition: something to look at when it is not 0. */
  strays(session: Session): Promise<bigint>
  /** Gives strays the partitions of their days; returns these days. */
  drain(session: Session): Promise<readonly Day[]>
}

export const BACKEND_NAMES = ['timescaledb', 'postgres'] as const
export type BackendName = (typeof BACKEND_NAMES)[number]
/** `auto`: what the table is; for a new table TimescaleDB where the server offers it. */
export type BackendChoice = 'auto' | BackendName
