import type { TimeRange } from '../../processors/store/time-ranges.ts'
import { ConnectorError } from '../contract.ts'
import { instant } from './days.ts'
import type { Session } from './session.ts'

/**
 * After all readings of whole days came back, inside their transaction: their roll-ups are computed
 * from readings again. Without roll-ups in the database it does nothing.
 * @param rows how many rows the roll-ups of that time can have counted at most
 * @param kept whether roll-ups are kept up to date
 * @throws ConnectorError if they have counted more: those are nowhere else
 */
export async function reopenRollups(session: Session, { fromMs, toMs }: TimeRange, rows: number, kept: boolean): Promise<void> {
  const doing = `reopening the roll-ups from ${instant(fromMs)}`
  const [found] = await session.query<{ there: boolean }>(
    'looking for roll-ups',
    "SELECT to_regprocedure('rollup_reopen(timestamptz, timestamptz, boolean)') IS NOT NULL AS there",
  )
  if (found?.there !== true) return
  await session.script(doing, 'SELECT rollup_lock()')
  const [counted] = await session.query<{ rows: number }>(
    doing,
    `SELECT coalesce(sum(rows), 0)::float8 AS rows FROM (
       SELECT rows FROM readings_hourly_kept WHERE hour >= $1 AND hour < $2
         AND NOT EXISTS (SELECT FROM rollup_hours_dropped WHERE day = date_bin('1 day', hour, 'epoch'))
       UNION ALL
       SELECT rows FROM readings_daily_kept JOIN rollup_hours_dropped USING (day) WHERE day >= $1 AND day < $2
     ) AS counted`,
    [instant(fromMs), instant(toMs)],
  )
  const more = (counted?.rows ?? 0) - rows
  if (more > 0)
    throw new ConnectorError(
      'rollups-have-more',
      false,
      `${doing}: they count ${more} rows that are not in the archive: readings of that time were dropped before, and only the roll-ups know of them`,
    )
  await session.query(doing, 'SELECT rollup_reopen($1, $2, $3)', [instant(fromMs), instant(toMs), kept])
}

/**
 * Before readings go: makes the roll-ups of their time final, so that they stay. Inside the
 * transaction that takes the readings out, and all of that time. Without roll-ups in the database
 * it does nothing.
 * @param keepOut locks what the readings are in, so that nobody adds some
 * @throws ConnectorError, transient, if the roll-ups of that time are not up to date yet
 */
export async function settleRollups(session: Session, { fromMs, toMs }: TimeRange, keepOut: string): Promise<void> {
  const doing = `settling the roll-ups from ${instant(fromMs)}`
  const [found] = await session.query<{ there: boolean }>(
    'looking for roll-ups',
    "SELECT to_regprocedure('rollup_settle(timestamptz, timestamptz)') IS NOT NULL AS there",
  )
  if (found?.there !== true) return
  // The job of the roll-ups first: it must not wait for a lock of ours, and we for its.
  await session.script(doing, `SELECT rollup_lock(); ${keepOut}`)
  const [settled] = await session.query<{ done: boolean }>(doing, 'SELECT rollup_settle($1, $2) AS done', [instant(fromMs), instant(toMs)])
  if (settled?.done !== true) throw new ConnectorError('rollups-behind', true, `${doing}: they are not up to date yet`)
}
