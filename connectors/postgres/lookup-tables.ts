import type { LookupTable, LookupTables, TableRows } from '../../processors/lookup-table.ts'
import type { Log } from '../contract.ts'
import { type KeptCopy, ListeningConnection } from './listening-connection.ts'
import { checkTable, readTable, tableStates } from './lookup-table-rows.ts'
import type { Session } from './session.ts'

export interface LookupTablesOptions {
  /** The app database. */
  readonly url: string
  readonly tables: LookupTables
  readonly log: Log
  /** Ends every wait. */
  readonly signal: AbortSignal
  /** Health: what keeps the tables from being known for certain; null while nothing does. */
  readonly problem?: (what: string | null) => void
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number
  /** All tables are read again after this long, in case a notification was lost. */
  readonly readAllMs?: number
}

/** Rows by the names of their tables. */
export type AllRows = Readonly<Record<string, TableRows<Readonly<Record<string, unknown>>>>>

/** Tables of the app database, kept in memory and fresh. */
export interface KeptTables extends AsyncDisposable {
  /**
   * The rows as they are now. It is another object after a change: who keeps it keeps the rows as
   * they were.
   */
  readonly rows: AllRows
  /** Makes the rows certain; waits through outages. */
  prepare(): Promise<void>
}

const CHANNEL = 'lookup_table_change'
/** A table without a trigger is read again after this long. */
const POLL_MS = 2_000
/** At most this part of the time is spent on reading one table, however often it changes. */
const READ_SHARE = 10

/** One table, and what is known of it. */
interface Kept {
  readonly name: string
  readonly table: LookupTable
  oid: string | undefined
  notifies: boolean
  /** Whether the log has said that its changes are not notified. */
  told: boolean
  stale: boolean
  readAtMs: number
  tookMs: number
}

/**
 * Reads the tables, then listens for changes and reads what changed: `ListeningConnection` says
 * how. A change holds within a second, or ten times as long as it takes to read its table;
 * within two seconds if the table has no trigger. Resolves after the first reading, through
 * outages.
 * @throws ConnectorError `lookup-table` if one is not as declared, or has too many rows; `prepare`
 *   too, as long as it is so
 */
export async function openLookupTables(options: LookupTablesOptions): Promise<KeptTables> {
  const tables = new ListeningTables(options)
  try {
    await tables.prepare()
    return tables
  } catch (error) {
    await tables[Symbol.asyncDispose]()
    throw error
  }
}

class ListeningTables implements KeptTables, KeptCopy {
  rows: AllRows = {}
  private readonly kept: readonly Kept[]
  private readonly log: Log
  private readonly now: () => number
  private readonly connection: ListeningConnection
  private later: NodeJS.Timeout | undefined

  constructor({ url, tables, log, signal, problem, readAllMs, now = () => performance.now() }: LookupTablesOptions) {
    this.kept = Object.entries(tables).map(([name, table]) => ({
      name,
      table,
      oid: undefined,
      notifies: false,
      told: false,
      stale: true,
      readAtMs: Number.NEGATIVE_INFINITY,
      tookMs: 0,
    }))
    this.log = log
    this.now = now
    this.connection = new ListeningConnection(
      { url, applicationName: 'millrace tables', what: 'tables', log, signal, now, problem, readAllMs, channels: [CHANNEL] },
      this,
    )
  }

  prepare(): Promise<void> {
    return this.connection.whenCurrent(async () => undefined)
  }

  [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.later)
    return this.connection[Symbol.asyncDispose]()
  }

  async load(session: Session): Promise<void> {
    // With it, a query that a policy of row-level security would narrow fails.
    await session.script('asking for whole tables', 'SET row_security = off')
    await this.look(session)
    for (const kept of this.kept) await this.read(session, kept)
  }

  notified(payload: string): boolean {
    for (const kept of this.kept) if (kept.oid === payload) kept.stale = true
    return this.isDue()
  }

  async readStale(session: Session): Promise<void> {
    for (;;) {
      const due = this.kept.find((kept) => kept.stale && this.waitMs(kept) <= 0)
      if (due === undefined) return
      await this.read(session, due)
      // What was notified in the meantime has its time.
      this.isDue()
    }
  }

  /** Also notices that a table has another one's name, or lost its trigger. */
  async beat(session: Session): Promise<void> {
    await this.look(session)
    for (const kept of this.kept) if (!kept.notifies && this.now() - kept.readAtMs >= POLL_MS) kept.stale = true
    if (this.isDue()) this.connection.refresh()
  }

  private async look(session: Session): Promise<void> {
    const states = await tableStates(
      session,
      this.kept.map(({ table }) => table),
    )
    for (const [place, { oid, notifies }] of states.entries()) {
      const kept = this.kept[place] as Kept
      if (kept.oid !== oid) kept.stale = true
      // A change before the trigger came was not notified.
      if (notifies && !kept.notifies) kept.stale = true
      kept.oid = oid
      kept.notifies = notifies
      if (!notifies && !kept.told && oid !== undefined)
        this.log.warn(
          `table ${kept.name} has no trigger that tells its changes: it is read every ${POLL_MS / 1000} s. Run millrace migrate`,
        )
      kept.told = !notifies
    }
  }

  private async read(session: Session, kept: Kept): Promise<void> {
    kept.stale = false
    const beganMs = this.now()
    await checkTable(session, kept.table, kept.oid)
    const rows = await readTable(session, kept.table)
    kept.readAtMs = this.now()
    kept.tookMs = kept.readAtMs - beganMs
    this.rows = { ...this.rows, [kept.name]: rows }
  }

  /** How long a table that has changed must wait for its turn; 0 or less if it need not. */
  private waitMs({ readAtMs, tookMs }: Kept): number {
    return readAtMs + READ_SHARE * tookMs - this.now()
  }

  /** Whether a table is to be read now. If one is to be read later, it will be. */
  private isDue(): boolean {
    const stale = this.kept.filter((kept) => kept.stale)
    if (stale.length === 0) return false
    const waitMs = Math.min(...stale.map((kept) => this.waitMs(kept)))
    if (waitMs <= 0) return true
    if (this.later === undefined) {
      this.later = setTimeout(() => {
        this.later = undefined
        if (this.isDue()) this.connection.refresh()
      }, Math.ceil(waitMs) + 1)
      this.later.unref()
    }
    return false
  }
}
