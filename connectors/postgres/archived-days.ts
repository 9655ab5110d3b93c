import type { DayManifest, LateRows } from '../../processors/store/archive-manifest.ts'
import type { Session } from './session.ts'

/**
 * `placing`: its rows are in the table, a file of it may be there. `replacing`: a file with late
 * rows may have taken the place of the one that counts. `replaced`: the new one counts, and the old
 * one is still beside it. `removing`: retention lets it go. `restored`: its rows are in the table
 * again, its file may still be there. `kept`: the same without a file; the day stays in the table
 * until somebody archives it by name.
 */
export type ArchivedState = 'placing' | 'archived' | 'replacing' | 'replaced' | 'removing' | 'restored' | 'kept'

const IN_TABLE: ReadonlySet<ArchivedState> = new Set(['placing', 'restored', 'kept'])

/** Whether the archive has the rows of a day, and not the table. */
export function isInArchive({ state }: Pick<ArchivedDay, 'state'>): boolean {
  return !IN_TABLE.has(state)
}

/** A day that is in the archive, or was brought back from it. */
export interface ArchivedDay {
  /** UTC, as in 2026-11-23. */
  readonly day: string
  readonly location: string
  readonly generation: number
  readonly rows: number
  readonly bytes: number
  readonly sha256: string
  readonly late: LateRows
  readonly state: ArchivedState
}

const LOCK = "hashtextextended('millrace archive', 0)"

/**
 * Only one at a time works at the archive: the turn goes with the session. False if another has it.
 */
export async function takeArchiveTurn(session: Session): Promise<boolean> {
  const [row] = await session.query<{ mine: boolean }>('asking for the turn', `SELECT pg_try_advisory_lock(${LOCK}) AS mine`)
  return row?.mine === true
}

export async function endArchiveTurn(session: Session): Promise<void> {
  await session.script('ending a turn', `SELECT pg_advisory_unlock(${LOCK})`)
}

/** In the order of days. None if the database has no such table: it is of a version before. */
export async function archivedDays(session: Session): Promise<readonly ArchivedDay[]> {
  const [found] = await session.query<{ there: boolean }>(
    'looking for the archive',
    "SELECT to_regclass('archived_days') IS NOT NULL AS there",
  )
  if (found?.there !== true) return []
  const rows = await session.query<{ [Key in keyof Omit<ArchivedDay, 'late'>]: ArchivedDay[Key] } & LateRows & Record<string, unknown>>(
    'listing archived days',
    `SELECT day::text, location, generation, rows::float8, bytes::float8, sha256, merged::float8, repeated::float8, conflicts::float8, state
     FROM archived_days ORDER BY day`,
  )
  return rows.map(({ merged, repeated, conflicts, day, location, generation, rows: count, bytes, sha256, state }) => ({
    day,
    location,
    generation,
    rows: count,
    bytes,
    sha256,
    state,
    late: { merged, repeated, conflicts },
  }))
}

/** What counts from the end of the transaction on. */
export async function noteArchived(session: Session, location: string, manifest: DayManifest, state: ArchivedState): Promise<void> {
  const { day, generation, figures, file, late } = manifest
  await session.query(
    `noting that ${day} is archived`,
    `INSERT INTO archived_days (day, location, generation, rows, bytes, sha256, merged, repeated, conflicts, state)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
     ON CONFLICT (day) DO UPDATE SET (location, generation, rows, bytes, sha256, merged, repeated, conflicts, state, changed_at)
       = (excluded.location, excluded.generation, excluded.rows, excluded.bytes, excluded.sha256,
          excluded.merged, excluded.repeated, excluded.conflicts, excluded.state, now())`,
    [day, location, generation, figures.rows, file.bytes, file.sha256, late.merged, late.repeated, late.conflicts, state],
  )
}

export async function setArchivedState(session: Session, day: string, state: ArchivedState): Promise<void> {
  await session.query(`noting the state of ${day}`, 'UPDATE archived_days SET state = $2, changed_at = now() WHERE day = $1', [day, state])
}

export async function forgetArchived(session: Session, day: string): Promise<void> {
  await session.query(`forgetting ${day}`, 'DELETE FROM archived_days WHERE day = $1', [day])
}
