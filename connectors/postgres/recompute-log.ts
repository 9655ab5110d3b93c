import { setTimeout as delay } from 'node:timers/promises'
import type { Applied, Unbacked } from './recompute-apply.ts'
import type { Scope } from './recompute-shadow.ts'
import type { Session } from './session.ts'

/** What was asked for: a run is gone on with by one that asks for the same. */
export interface RecomputeAsked {
  readonly scope: Scope
  readonly apply: boolean
  readonly unbacked: Unbacked
  /** Checksum of all that the rows follow from beside the frames. */
  readonly basis: string
}

export type RecomputeState = 'filling' | 'applying'

export interface OpenRun {
  readonly id: bigint
  readonly state: RecomputeState
  /** False: an earlier one, which was killed or interrupted, goes on. */
  readonly fresh: boolean
}

const LOCK = "hashtextextended('millrace recompute', 0)"

/** A server notices within this time that a client was killed while its statement runs. */
const NOTICED_MS = 1_000
/** So the turn of a run that was killed is free by then. */
const WAIT_MS = 10_000

/**
 * One recomputation at a time: the turn goes with the session. It waits for that of a run that was
 * killed. False if another has it.
 */
export async function takeRecomputeTurn(session: Session): Promise<boolean> {
  await session.script('asking for the turn', `SET client_connection_check_interval = ${NOTICED_MS}`)
  for (const endMs = performance.now() + WAIT_MS; ; await delay(NOTICED_MS / 2)) {
    if (await tryTurn(session)) return true
    if (performance.now() > endMs) return false
  }
}

async function tryTurn(session: Session): Promise<boolean> {
  const [row] = await session.query<{ mine: boolean }>('asking for the turn', `SELECT pg_try_advisory_lock(${LOCK}) AS mine`)
  return row?.mine === true
}

/** The run of before, if it asked for the same; or a new one, and that of before is abandoned. */
export async function beginRecompute(session: Session, asked: RecomputeAsked, by: string): Promise<OpenRun> {
  const { scope, apply, unbacked, basis } = asked
  const values = [
    [...scope.devices],
    new Date(scope.fromMs).toISOString(),
    new Date(scope.toMs).toISOString(),
    JSON.stringify({ apply, delete: unbacked }),
    basis,
  ]
  const [found] = await session.query<{ id: bigint; state: RecomputeState }>(
    'looking for a recomputation to go on with',
    `SELECT id, state FROM recompute_run WHERE state IN ('filling', 'applying')
       AND devices = $1 AND from_ts = $2 AND to_ts = $3 AND asked = $4 AND basis = $5 ORDER BY id DESC LIMIT 1`,
    values,
  )
  await session.query(
    'giving up a recomputation of before',
    "UPDATE recompute_run SET state = 'abandoned', ended_at = now() WHERE state IN ('filling', 'applying') AND id IS DISTINCT FROM $1",
    [found?.id ?? null],
  )
  if (found !== undefined) return { ...found, fresh: false }
  const [row] = await session.query<{ id: bigint }>(
    'beginning a recomputation',
    'INSERT INTO recompute_run (devices, from_ts, to_ts, asked, basis, started_by) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id',
    [...values, by],
  )
  if (row === undefined) throw new RangeError('beginning a recomputation: the database returned no number')
  return { id: row.id, state: 'filling', fresh: true }
}

/** Notes how far a run is, and what differs. */
export async function noteRecompute(
  session: Session,
  run: bigint,
  state: RecomputeState | 'reported' | 'applied',
  report?: unknown,
): Promise<void> {
  await session.query(
    'noting how far the recomputation is',
    `UPDATE recompute_run SET state = $2, report = coalesce($3, report), ended_at = CASE WHEN $2 IN ('reported', 'applied') THEN now() END
     WHERE id = $1`,
    [run, state, report === undefined ? null : JSON.stringify(report)],
  )
}

export async function readReport(session: Session, run: bigint): Promise<unknown> {
  const [row] = await session.query<{ report: unknown }>('reading a report', 'SELECT report FROM recompute_run WHERE id = $1', [run])
  return row?.report ?? undefined
}

/** A day of a run. */
export interface RecomputeDay extends Applied {
  readonly day: string
  /** It was in the archive, and is brought back for this. */
  readonly restored: boolean
  readonly applied: boolean
}

export function recomputeDays(session: Session, run: bigint): Promise<readonly RecomputeDay[]> {
  return session.query<RecomputeDay & Record<string, unknown>>(
    'listing recomputed days',
    `SELECT day::text, restored, applied_at IS NOT NULL AS applied, inserted::float8, updated::float8, deleted::float8
     FROM recompute_day WHERE run = $1 ORDER BY day`,
    [run],
  )
}

/** Notes days that are to be replaced. Those that are noted already stay as they are. */
export async function planDays(session: Session, run: bigint, days: readonly string[]): Promise<void> {
  await session.query(
    'noting days to be replaced',
    'INSERT INTO recompute_day (run, day) SELECT $1, unnest($2::date[]) ON CONFLICT DO NOTHING',
    [run, days],
  )
}

/** Before a day is brought back from the archive: whatever ends the run, somebody knows of it. */
export async function noteRestored(session: Session, run: bigint, day: string): Promise<void> {
  await session.query(`noting that ${day} is brought back`, 'UPDATE recompute_day SET restored = true WHERE run = $1 AND day = $2', [
    run,
    day,
  ])
}

/**
 * Days that other runs brought back from the archive and did not come to are left to the store: it
 * archives them again. @returns these days
 */
export async function releaseRestored(session: Session, run: bigint): Promise<readonly string[]> {
  const rows = await session.query<{ day: string }>(
    'leaving days to the archive again',
    `DELETE FROM archived_days AS a USING recompute_day AS d WHERE a.day = d.day AND a.state = 'kept' AND d.restored AND d.applied_at IS NULL
       AND d.run <> $1 RETURNING a.day::text AS day`,
    [run],
  )
  return rows.map(({ day }) => day)
}

/** Forgets the places of its consumers. */
export async function forgetPlaces(session: Session, consumers: readonly string[]): Promise<void> {
  await session.query('forgetting the places of a recomputation', 'DELETE FROM consumer_offset WHERE consumer = ANY ($1)', [consumers])
}
