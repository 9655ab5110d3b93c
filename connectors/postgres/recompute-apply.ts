import type { Day } from './days.ts'
import { literal, quoted } from './readings-table.ts'
import { differs } from './recompute-compare.ts'
import { type Scope, SHADOW, within } from './recompute-shadow.ts'
import { MARKS_ITSELF } from './rollup-marks.ts'
import type { Session } from './session.ts'

/** What becomes of rows, and of values in rows, that no frame gives. */
export type Unbacked = 'none' | 'rows' | 'values' | 'all'

export interface ApplyOptions {
  readonly run: bigint
  readonly scope: Scope
  readonly day: Day
  /** As in 2026-11-23. */
  readonly date: string
  /** Columns of values, and those of them that recomputed rows have. */
  readonly columns: readonly string[]
  readonly recomputed: readonly string[]
  readonly unbacked: Unbacked
  /** Whether the day was brought back from the archive for this: the store archives it again. */
  readonly restored: boolean
  /** Whether roll-ups are told of what changes. */
  readonly rollups: boolean
}

export interface Applied {
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
}

/**
 * Replaces the rows of a day by the recomputed ones, in one transaction that also marks what
 * changed for the roll-ups, and notes the day. Others may write rows of it meanwhile: what is not
 * in the shadow stays, a value that recomputed rows lack stays as it is at that moment, and only
 * what was noted as unbacked is deleted.
 * @throws ConnectorError, transient if it may succeed later. The transaction is rolled back or
 *   lost.
 */
export async function applyDay(session: Session, options: ApplyOptions): Promise<Applied> {
  const doing = `replacing the rows of ${options.date}`
  await session.script(doing, `BEGIN; ${MARKS_ITSELF.replace('SET', 'SET LOCAL')}`)
  // A row that others insert at this moment is met by the next statement.
  const inserted = await counted(session, doing, options, insertion(options))
  const updated = await counted(session, doing, options, update(options))
  const deleted = options.unbacked === 'rows' || options.unbacked === 'all' ? await counted(session, doing, options, deletion(options)) : 0
  const again = options.restored ? `DELETE FROM archived_days WHERE day = ${literal(options.date)} AND state = 'kept'; ` : ''
  await session.commit(
    doing,
    `${again}UPDATE recompute_day SET applied_at = now(), inserted = ${inserted}, updated = ${updated}, deleted = ${deleted}
     WHERE run = ${options.run} AND day = ${literal(options.date)}`,
  )
  return { inserted, updated, deleted }
}

/** Runs a statement that returns device and time of the rows it changed, and marks these. */
async function counted(session: Session, doing: string, { rollups }: ApplyOptions, statement: string): Promise<number> {
  const marks = `, marks AS (
    INSERT INTO rollup_mark (hour, devices, firsts, lasts)
    SELECT hour, array_agg(device_id), array_agg(first), array_agg(last) FROM (
      SELECT hour, device_id, min(micros) AS first, max(micros) AS last FROM (
        SELECT device_id, hour, CAST(extract(epoch FROM ts - hour) * 1000000 AS bigint) AS micros
        FROM touched, date_bin('1 hour', ts, 'epoch') AS hour
      ) AS t GROUP BY hour, device_id
    ) AS d GROUP BY hour
  )`
  const [row] = await session.query<{ rows: number }>(
    doing,
    `WITH touched AS (${statement})${rollups ? marks : ''} SELECT count(*)::float8 AS rows FROM touched`,
  )
  return row?.rows ?? 0
}

function insertion({ scope, day, recomputed }: ApplyOptions): string {
  const list = ['device_id', 'ts', 'time_estimated', 'account_id', 'site_id', ...recomputed].map(quoted)
  return `INSERT INTO readings (${list.join(', ')}) SELECT ${list.map((name) => `n.${name}`).join(', ')} FROM ${SHADOW}.readings AS n
    WHERE ${within(scope, 'n', day)} AND NOT EXISTS (SELECT FROM readings AS r WHERE r.device_id = n.device_id AND r.ts = n.ts AND ${within(scope, 'r', day)})
    ON CONFLICT (device_id, ts) DO NOTHING RETURNING device_id, ts`
}

function update({ scope, day, columns, recomputed, unbacked }: ApplyOptions): string {
  const own = ['time_estimated', 'account_id', 'site_id'].map((name) => `${name} = n.${name}`)
  const key = `r.device_id = n.device_id AND r.ts = n.ts AND ${within(scope, 'n', day)} AND ${within(scope, 'r', day)}`
  if (unbacked !== 'values' && unbacked !== 'all') {
    const kept = recomputed.map(quoted).map((name) => `${name} = coalesce(n.${name}, r.${name})`)
    return `UPDATE readings AS r SET ${[...own, ...kept].join(', ')} FROM ${SHADOW}.readings AS n
      WHERE ${key} AND (${differs(recomputed, 'r')}) RETURNING r.device_id, r.ts`
  }
  const gone = (name: string): string => `n.${quoted(name)} IS NULL AND ${literal(name)} = ANY (n.gone)`
  const values = columns.map(
    (name) => `${quoted(name)} = CASE WHEN ${gone(name)} THEN NULL ELSE coalesce(n.${quoted(name)}, r.${quoted(name)}) END`,
  )
  const leaves = columns.map((name) => `(${gone(name)} AND r.${quoted(name)} IS NOT NULL)`)
  return `UPDATE readings AS r SET ${[...own, ...values].join(', ')}
    FROM (SELECT s.*, u.quantities AS gone FROM ${SHADOW}.readings AS s LEFT JOIN ${SHADOW}.unbacked AS u USING (device_id, ts)) AS n
    WHERE ${key} AND (${differs(recomputed, 'r')} OR (n.gone IS NOT NULL AND (${leaves.join(' OR ')}))) RETURNING r.device_id, r.ts`
}

function deletion({ scope, day }: ApplyOptions): string {
  return `DELETE FROM readings AS r USING ${SHADOW}.unbacked AS u
    WHERE r.device_id = u.device_id AND r.ts = u.ts AND u.quantities IS NULL AND ${within(scope, 'r', day)} AND ${within(scope, 'u', day)}
      AND NOT EXISTS (SELECT FROM ${SHADOW}.readings AS n WHERE n.device_id = u.device_id AND n.ts = u.ts)
    RETURNING r.device_id, r.ts`
}
