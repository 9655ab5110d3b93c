import type { PlannedPartition } from '../../processors/store/partition-plan.ts'
import { DAY_MS, dayRange, gaps, type TimeRange } from '../../processors/store/time-ranges.ts'
import { ConnectorError } from '../contract.ts'
import { instant } from './days.ts'
import { retryOnLock } from './lock-retry.ts'
import { type DefaultPartition, defaultPartition, partitionRanges, strayDays } from './partition-catalog.ts'
import { BEGIN_TURN, LOCK_TIMEOUT_MS, UNMARKED } from './partition-turns.ts'
import { literal, quoted } from './readings-table.ts'
import type { Session } from './session.ts'
import { settleRollups } from './settle-rollups.ts'

/** Several locks one after the other: together they must not take much longer than one. */
const DETACH_TIMEOUT_MS = 200
const ATTEMPTS = 20
/** The comment of a table that was detached to be dropped. Without it the table stays. */
const LET_GO = 'millrace: let go by storage.retention_days; the next run drops it.'

/**
 * Takes partitions of a day out of the table, with a mark that a later run finds, and drops them.
 * DETACH CONCURRENTLY cannot be had beside a default partition. So all that takes the lock is one
 * round trip, and gives up early.
 */
export async function dropPartitions(session: Session, partitions: readonly PlannedPartition[], also?: () => Promise<void>): Promise<void> {
  const names = partitions.map(({ name }) => name)
  const doing = `detaching ${names.join(', ')}`
  await retryOnLock(
    session,
    async () => {
      await session.script(doing, BEGIN_TURN)
      const there = new Map((await partitionRanges(session)).map((each) => [each.name, each]))
      const same = partitions.every(({ name, fromMs, toMs }) => {
        const found = there.get(name)
        return found?.own === true && found.fromMs === fromMs && found.toMs === toMs
      })
      if (!same && also !== undefined) throw changed(doing)
      const keepOut = `LOCK TABLE ${names.map(quoted).join(', ')} IN SHARE MODE`
      if (same) await settleRollups(session, wholeDays(partitions), keepOut)
      // Without roll-ups nothing was settled, and nothing locked.
      if (also !== undefined) await session.script(doing, keepOut)
      await also?.()
      await session.script(doing, `SET LOCAL statement_timeout = ${DETACH_TIMEOUT_MS}`)
      await session.commit(
        doing,
        same
          ? names
              .map(
                (name) => `ALTER TABLE readings DETACH PARTITION ${quoted(name)}; COMMENT ON TABLE ${quoted(name)} IS ${literal(LET_GO)}`,
              )
              .join('; ')
          : '',
      )
    },
    ATTEMPTS,
  )
  for (const name of names) if (await isLetGo(session, name)) await dropLetGo(session, name)
}

/** Of partitions that are not what they were when it was decided to drop them. */
export function changed(doing: string): ConnectorError {
  return new ConnectorError('partitions-changed', true, `${doing}: they are not what they were`)
}

/** A day may have several partitions. Roll-ups are settled by the day. */
function wholeDays(ranges: readonly TimeRange[]): TimeRange {
  return {
    fromMs: Math.floor(Math.min(...ranges.map(({ fromMs }) => fromMs)) / DAY_MS) * DAY_MS,
    toMs: Math.ceil(Math.max(...ranges.map(({ toMs }) => toMs)) / DAY_MS) * DAY_MS,
  }
}

/** Whether it is a table that retention detached, and nobody attached again. */
export async function isLetGo(session: Session, name: string): Promise<boolean> {
  const [found] = await session.query<{ there: boolean }>(
    'looking for a detached table',
    `SELECT EXISTS (${DETACHED} AND c.relname = $1) AS there`,
    [name],
  )
  return found?.there === true
}

/** Drops what a killed run had detached. @returns names */
export async function dropDetached(session: Session): Promise<readonly string[]> {
  const found = await session.query<{ name: string }>('looking for detached tables', `${DETACHED} ORDER BY 1`)
  for (const { name } of found) await dropLetGo(session, name)
  return found.map(({ name }) => name)
}

const DETACHED = `SELECT c.relname AS name FROM pg_class c JOIN pg_class parent ON parent.oid = 'readings'::regclass AND parent.relnamespace = c.relnamespace
  WHERE NOT c.relispartition AND c.relkind = 'r' AND obj_description(c.oid, 'pg_class') = ${literal(LET_GO)}`

async function dropLetGo(session: Session, name: string): Promise<void> {
  await retryOnLock(
    session,
    async () => {
      await session.script(`dropping ${name}`, `BEGIN; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`)
      await session.commit(`dropping ${name}`, `DROP TABLE IF EXISTS ${quoted(name)}`)
    },
    ATTEMPTS,
  )
}

/** A day at a time, and all of it. Rows without a time that is one, `infinity` among them, stay. */
export async function dropStrays(session: Session, cutoffMs: number): Promise<number> {
  const place = await defaultPartition(session)
  if (place === undefined || place.bytes === 0 || !Number.isFinite(cutoffMs)) return 0
  let dropped = 0
  for (const { day } of (await strayDays(session)).days) {
    if (day === null || dayRange(day).toMs > cutoffMs) continue
    for (const gap of gaps(dayRange(day), await partitionRanges(session))) dropped += await dropStraysOf(session, place, gap)
  }
  return dropped
}

function dropStraysOf(session: Session, place: DefaultPartition, { fromMs, toMs }: TimeRange): Promise<number> {
  const doing = 'dropping old rows of the default partition'
  return retryOnLock(
    session,
    async () => {
      await session.script(doing, `${BEGIN_TURN}; ${UNMARKED}`)
      await settleRollups(session, { fromMs, toMs }, `LOCK TABLE ${place.name} IN SHARE ROW EXCLUSIVE MODE`)
      const [deleted] = await session.script(
        doing,
        `DELETE FROM ${place.name} WHERE ts >= ${literal(instant(fromMs))} AND ts < ${literal(instant(toMs))}`,
      )
      await session.commit(doing)
      return deleted ?? 0
    },
    ATTEMPTS,
  )
}
