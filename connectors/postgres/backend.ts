import type { Day } from './days.ts'
import type { Column } from './readings-table.ts'
import type { Session } from './session.ts'

/** Strays of one day. */
export interface StrayDay {
  /**
   * Null if no partition can be made for them: their time is infinite, or its year is not 1 to
   * 9999.
   */
  readonly day: Day | null
  readonly rows: number
  readonly devices: number
}

export interface Partitions {
  readonly count: number
  /** Null if there are none. */
  readonly first: Day | null
  /** The last day that has one. */
  readonly last: Day | null
}

/**
 * How table `readings` is kept. Both backends have the same columns and the primary key (device_id,
 * ts).
 */
export interface StorageBackend {
  readonly name: BackendName
  /** Creates the table, which does not exist. Runs inside the migration's transaction. */
  create(session: Session, columns: readonly Column[]): Promise<void>
  /**
   * Makes sure that each of these days has a place for its rows. To be called outside a
   * transaction; cheap for days that are known.
   */
  ensureDays(session: Session, days: readonly Day[]): Promise<void>
  /** How many rows lie outside every day's partition. If it is not 0, somebody should look. */
  strays(session: Session): Promise<bigint>
  /** The strays by day, in order. */
  strayDays(session: Session): Promise<readonly StrayDay[]>
  /**
   * Gives the strays of a day a partition of their own, in one transaction that others wait for. If
   * they have to stay, it returns why.
   */
  drainDay(session: Session, day: Day): Promise<string | undefined>
  /** The partitions, or chunks, that there are. */
  partitions(session: Session): Promise<Partitions>
}

export const BACKEND_NAMES = ['timescaledb', 'postgres'] as const
export type BackendName = (typeof BACKEND_NAMES)[number]
/**
 * `auto`: the backend of the existing table; for a new table TimescaleDB, if the server offers it.
 */
export type BackendChoice = 'auto' | BackendName
