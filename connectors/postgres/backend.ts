import type { PlannedPartition } from '../../processors/store/partition-plan.ts'
import type { TimeRange } from '../../processors/store/time-ranges.ts'
import type { Compressed } from './columnstore.ts'
import type { Day } from './days.ts'
import type { Column } from './readings-table.ts'
import type { Session } from './session.ts'

/** A partition of a table, or a chunk of it, as it is in the database. */
export interface StoredPartition extends PlannedPartition {
  /** Estimated, as of the last ANALYZE or by the server's counters; null if nobody knows. */
  readonly rows: number | null
  /** Of the table alone. */
  readonly bytes: number
  readonly indexBytes: number
}

/** Rows outside every partition, of one day. */
export interface StrayDay {
  /**
   * Null if no partition can be made for them: their time is infinite, or its year is not 1 to
   * 9999.
   */
  readonly day: Day | null
  readonly rows: number
}

export interface Strays {
  readonly days: readonly StrayDay[]
  /** False if only a part was looked at: then the figures are estimates. */
  readonly exact: boolean
}

/** Something that stands in the way, in words. */
export interface Blocked {
  readonly range: TimeRange
  readonly why: string
}

/** What came of making partitions. */
export interface Made {
  /** Names of new partitions. */
  readonly made: readonly string[]
  /** Rows that were in the default partition and are in their own now. */
  readonly moved: number
  readonly blocked: readonly Blocked[]
}

/**
 * How table `readings` is kept. Both backends have the same columns and the primary key (device_id,
 * ts). Whatever takes a lock that writers wait for gives up after 100 ms and tries again, for some
 * seconds; then it throws a transient ConnectorError. All but `create` are called outside a
 * transaction, and can be repeated: what a killed run left is found and finished.
 */
export interface StorageBackend {
  readonly name: BackendName
  /** False if chunks appear by themselves. */
  readonly prepares: boolean
  /** Creates the table, which does not exist. Runs inside the migration's transaction. */
  create(session: Session, columns: readonly Column[]): Promise<void>
  /** Makes sure that each of these days has a place for its rows. Cheap for days that are known. */
  ensureDays(session: Session, days: readonly Day[]): Promise<void>
  /**
   * Gives what of the range has none a partition, of its own for each day at least. Rows of it that
   * are in the default partition move along, in a transaction for each 100,000.
   */
  make(session: Session, range: TimeRange): Promise<Made>
  /** How many rows lie outside every day's partition. If it is not 0, somebody should look. */
  strays(session: Session): Promise<bigint>
  /** The same by day, in order. It reads 64 MiB at most. */
  strayDays(session: Session): Promise<Strays>
  /** The partitions, or chunks, in the order of time. */
  list(session: Session): Promise<readonly StoredPartition[]>
  /** What they are called in SQL: tables, each with its own rows. */
  tables(session: Session, partitions: readonly PlannedPartition[]): Promise<readonly string[]>
  /**
   * Takes all partitions of a day out of the table, with their rows, and drops them. Does nothing
   * if they are not what they were.
   * @param also in the same transaction, once nobody can write to them. If it throws, nothing is
   *   taken out. Then partitions that are not what they were are an error too.
   */
  drop(session: Session, partitions: readonly PlannedPartition[], also?: () => Promise<void>): Promise<void>
  /** Deletes rows outside the partitions that are older, some at a time. @returns how many */
  dropStrays(session: Session, cutoffMs: number): Promise<number>
  /** Turns what is older into the columnstore of the server, if it has one. */
  compress(session: Session, cutoffMs: number): Promise<Compressed>
  /** Finishes what a killed run left. @returns what it did, in words */
  finish(session: Session): Promise<readonly string[]>
}

export const BACKEND_NAMES = ['timescaledb', 'postgres'] as const
export type BackendName = (typeof BACKEND_NAMES)[number]
/**
 * `auto`: the backend of the existing table; for a new table TimescaleDB, if the server offers it.
 */
export type BackendChoice = 'auto' | BackendName
