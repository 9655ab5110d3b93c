import type { ConsumerName } from '../../processors/contract.ts'
import type { BusinessProcess, DeviceInputs } from '../../processors/process.ts'
import { ConnectorError } from '../contract.ts'
import { createDatabase } from './database.ts'
import type { ProcessOutputs } from './outbox.ts'
import { type DeviceRejection, handleDevice } from './process-runner.ts'
import type { Session } from './session.ts'

/** Rows of a table that would be inserted, updated and deleted. */
export interface TableChanges {
  readonly table: string
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
}

/** What a process would have done. All of it was taken back. */
export interface ShadowedProcess {
  readonly tables: readonly TableChanges[]
  readonly rejections: readonly DeviceRejection[]
  /** Devices whose inputs were handled, the rejected ones included. */
  readonly devices: number
  /** Why it ended before the last device; undefined if it did not. */
  readonly stopped: string | undefined
}

/** Longest that the transaction takes new devices for. */
export const TRANSACTION_MS = 3_000
/** Longest statement, and so what the transaction may take beyond that. */
export const STATEMENT_MS = 1_000
/** Longest wait for a lock of somebody else. */
export const LOCK_MS = 500

/**
 * Begins a transaction that cannot be committed, even if the code of the process tries: its
 * deferred constraint does not hold. After it, the session cannot write.
 */
const BEGINNING = `BEGIN READ WRITE;
  CREATE TEMPORARY TABLE never_committed (only_one int UNIQUE DEFERRABLE INITIALLY DEFERRED) ON COMMIT DROP;
  INSERT INTO never_committed VALUES (1), (1)`

/** query_canceled (the statement's timeout) and lock_not_available. */
const TIMEOUTS: ReadonlySet<string> = new Set(['57014', '55P03'])

export interface ProcessShadowOptions {
  readonly url: string
  readonly consumer: ConsumerName
  readonly businessProcess: BusinessProcess<unknown>
  /** Of a process that has outputs. What it emits is taken back, too. */
  readonly outputs?: ProcessOutputs | undefined
  /** In their order. A device may come more than once, as in several micro-batches. */
  readonly devices: readonly DeviceInputs<unknown>[]
  readonly signal: AbortSignal
}

/**
 * Handles inputs in one transaction, each device within a savepoint, counts the rows that changed,
 * and rolls back. Others that want a row that it changed, or an advisory lock that it took, wait
 * for TRANSACTION_MS + STATEMENT_MS at most. What a sequence gave stays given.
 * @throws ConnectorError
 */
export async function shadowProcess(options: ProcessShadowOptions): Promise<ShadowedProcess> {
  const { url, consumer, businessProcess, outputs, devices, signal } = options
  await using database = createDatabase({
    url,
    applicationName: 'millrace shadow',
    statementTimeoutMs: STATEMENT_MS,
    lockTimeoutMs: LOCK_MS,
    // A process that waits for anything but the database does not hold locks for it.
    idleInTransactionTimeoutMs: STATEMENT_MS,
  })
  return await database.use(async (session) => {
    // Not in one script with BEGIN: then it would be taken back with the transaction.
    await session.script('making the session read-only', 'SET default_transaction_read_only = on')
    await session.script('beginning a shadow run', BEGINNING)
    const began = performance.now()
    const total = new Map<string, number[]>()
    const rejections: DeviceRejection[] = []
    let [handled, stopped]: [number, string | undefined] = [0, undefined]
    try {
      let before = await changes(session)
      for (const inputs of devices) {
        if (signal.aborted) stopped = 'interrupted'
        else if (performance.now() - began > TRANSACTION_MS) stopped = `the transaction had taken ${TRANSACTION_MS / 1000} s`
        if (stopped !== undefined) break
        const outcome = await handleDevice(session, { consumer, businessProcess, outputs }, inputs)
        const after = await changes(session)
        handled++
        // The figures count what was taken back, too.
        if (outcome === undefined) add(total, before, after)
        else if (outcome.tag === 'reject') rejections.push(outcome.rejection)
        before = after
      }
    } catch (error) {
      if (!(error instanceof ConnectorError && TIMEOUTS.has(error.code)) || session.lost) throw error
      stopped = `${error.message}: others have the locks, or it takes longer than ${STATEMENT_MS / 1000} s`
    }
    await session.script('taking back the shadow run', 'ROLLBACK')
    return { tables: tablesOf(total), rejections, devices: handled, stopped }
  })
}

type Figures = ReadonlyMap<string, readonly number[]>

/** Rows that this transaction has inserted, updated and deleted, by table. */
async function changes(session: Session): Promise<Figures> {
  const rows = await session.query<{ name: string; inserted: bigint; updated: bigint; deleted: bigint }>(
    'counting the rows that were changed',
    `SELECT CASE schemaname WHEN 'public' THEN relname ELSE schemaname || '.' || relname END AS name,
       n_tup_ins AS inserted, n_tup_upd AS updated, n_tup_del AS deleted
     FROM pg_stat_xact_user_tables WHERE schemaname !~ '^pg_temp' AND n_tup_ins + n_tup_upd + n_tup_del > 0`,
  )
  return new Map(rows.map(({ name, inserted, updated, deleted }) => [name, [Number(inserted), Number(updated), Number(deleted)]]))
}

function add(total: Map<string, number[]>, before: Figures, after: Figures): void {
  for (const [name, now] of after) {
    const sums = total.get(name) ?? [0, 0, 0]
    total.set(
      name,
      sums.map((sum, index) => sum + (now[index] ?? 0) - (before.get(name)?.[index] ?? 0)),
    )
  }
}

function tablesOf(total: Figures): readonly TableChanges[] {
  return [...total]
    .filter(([, sums]) => sums.some((sum) => sum > 0))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([table, [inserted = 0, updated = 0, deleted = 0]]) => ({ table, inserted, updated, deleted }))
}
