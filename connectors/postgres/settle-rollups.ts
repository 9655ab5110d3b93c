import type { TimeRange } from '../../processors/store/time-ranges.ts'
import { ConnectorError } from '../contract.ts'
import { instant } from './days.ts'
import type { Session } from './session.ts'

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
