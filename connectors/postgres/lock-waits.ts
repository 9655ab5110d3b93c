import type { Session } from './session.ts'

/** A session that waits for a lock. */
export interface LockWait {
  /** Its application name. */
  readonly application: string
  readonly waitsSeconds: number
  /** The table, if it is one of this database; null if it waits for something else. */
  readonly table: string | null
  /** Process IDs and application names of the sessions that it waits for. */
  readonly holders: readonly { readonly pid: number; readonly application: string }[]
}

interface LockRow extends Record<string, unknown> {
  readonly application: string
  readonly waits: number
  readonly table_name: string | null
  readonly pids: readonly number[]
  readonly holders: readonly string[]
}

/** Who waits for a lock in this database now. Any user may ask; it needs no more than pg_locks. */
export async function lockWaits(session: Session): Promise<readonly LockWait[]> {
  const rows = await session.query<LockRow>(
    'reading who waits for a lock',
    `SELECT a.application_name AS application, l.relation::regclass::text AS table_name, b.pids,
       coalesce(extract(epoch FROM clock_timestamp() - l.waitstart), 0)::double precision AS waits,
       ARRAY(SELECT coalesce(h.application_name, '') FROM unnest(b.pids) WITH ORDINALITY AS p (pid, place)
               LEFT JOIN pg_stat_activity h ON h.pid = p.pid ORDER BY p.place) AS holders
     FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid CROSS JOIN LATERAL (SELECT pg_blocking_pids(l.pid) AS pids) b
     WHERE NOT l.granted AND a.datname = current_database()`,
    [],
  )
  return rows.map(({ application, waits, table_name: table, pids, holders }) => ({
    application,
    waitsSeconds: waits,
    table,
    holders: pids.map((pid, index) => ({ pid, application: holders[index] ?? '' })),
  }))
}

/** A session that holds a lock under which nobody else can write to a table. */
export interface TableLock {
  readonly pid: number
  /** Its application name. */
  readonly application: string
  readonly table: string
}

/**
 * Who keeps others from writing to a table of this database now (PostgreSQL 15, table 13.2). Who
 * gives up waiting after a while, and tries again, does not wait at each moment.
 */
export async function tableLocks(session: Session): Promise<readonly TableLock[]> {
  return session.query<TableLock & Record<string, unknown>>(
    'reading who locks tables',
    `SELECT DISTINCT a.pid, a.application_name AS application, l.relation::regclass::text AS table
     FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid JOIN pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p')
     WHERE l.granted AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') AND a.datname = current_database()
     ORDER BY a.pid, 3`,
    [],
  )
}
