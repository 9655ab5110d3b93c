import { setTimeout as sleep } from 'node:timers/promises'
import { DAY_MS, dayRange, gaps, HOUR_MS, overlaps, pieces, type TimeRange } from '../../processors/store/time-ranges.ts'
import { ConnectorError } from '../contract.ts'
import type { Blocked, Made } from './backend.ts'
import { dayOf, instant, laterPartitionName, partitionName } from './days.ts'
import { LOCK_NOT_AVAILABLE, retryOnLock } from './lock-retry.ts'
import { type DefaultPartition, defaultPartition, partitionRanges } from './partition-catalog.ts'
import { isLetGo } from './partition-dropping.ts'
import { BEGIN_TURN, UNMARKED } from './partition-turns.ts'
import { APPEND_ONLY, literal, quoted } from './readings-table.ts'
import type { Session } from './session.ts'

/** A transaction moves no more rows out of the default partition, if an hour has no more. */
const STEP_ROWS = 100_000
/** ATTACH scans the default partition in 1 ms if it has no more. */
const SCANNED_BYTES = 1024 * 1024
/** For a few seconds. The store tries its batch again, the care its pass. */
const ATTEMPTS = 25
/** Begins the names of the constraints that save ATTACH the scan of the default partition. */
const GUARD = 'millrace_attaching_'

/** Gives all of a range a place: a partition for each day that lacks one, and each part of one. */
export async function makePartitions(session: Session, range: TimeRange): Promise<Made> {
  const made: string[] = []
  const blocked: Blocked[] = []
  let moved = 0
  const place = await defaultPartition(session)
  const taken = await partitionRanges(session)
  for (let day = dayOf(range.fromMs); day * DAY_MS < range.toMs; day++) {
    for (const gap of gaps(dayRange(day), taken).filter((each) => overlaps(each, range))) {
      for (const piece of pieces(gap, await strayHours(session, place, gap), STEP_ROWS)) {
        const result = await makeOne(session, piece)
        if (result.tag === 'blocked') blocked.push({ range: piece, why: result.why })
        if (result.tag === 'made') made.push(result.name)
        moved += result.tag === 'made' ? result.moved : 0
        // The pieces after it would be named after the same day.
        if (result.tag === 'blocked') break
      }
    }
  }
  return { made, moved, blocked }
}

/** Rows of the default partition in a range, by hour since 1970. */
async function strayHours(session: Session, place: DefaultPartition | undefined, range: TimeRange): Promise<ReadonlyMap<number, number>> {
  if (place === undefined || place.bytes === 0) return new Map()
  const rows = await session.query<{ hour: number; rows: number }>(
    'counting rows of the default partition',
    `SELECT floor(extract(epoch FROM ts) * 1000 / ${HOUR_MS})::integer AS hour, count(*)::float8 AS rows
     FROM ${place.name} WHERE ${within(range)} GROUP BY 1`,
  )
  return new Map(rows.map(({ hour, rows: count }) => [hour, count]))
}

type One =
  | { readonly tag: 'made'; readonly name: string; readonly moved: number }
  | { readonly tag: 'there' }
  | { readonly tag: 'blocked'; readonly why: string }

/**
 * Makes the partition of one range. The table is created apart and then attached, which lets
 * writers go on: CREATE … PARTITION OF would lock all of `readings`. Its CHECK saves ATTACH the
 * scan of the rows that were moved there. If the default partition is large, a CHECK on it, which
 * is validated beforehand, saves its scan too.
 */
async function makeOne(session: Session, range: TimeRange): Promise<One> {
  const place = await defaultPartition(session)
  const guard = place !== undefined && place.bytes > SCANNED_BYTES ? await addGuard(session, place, range) : undefined
  try {
    return await retryOnLock(session, () => attempt(session, range, place, guard), ATTEMPTS)
  } catch (error) {
    if (guard !== undefined && !session.lost) await removeGuards(session)
    throw error
  }
}

async function attempt(session: Session, range: TimeRange, place: DefaultPartition | undefined, guard: string | undefined): Promise<One> {
  const doing = `making the partition from ${instant(range.fromMs)}`
  await session.script(doing, BEGIN_TURN)
  const taken = await partitionRanges(session)
  const dropGuard = guard === undefined ? '' : `ALTER TABLE ${place?.name} DROP CONSTRAINT IF EXISTS ${guard}`
  const gap = gaps(range, taken)
  if (gap.length !== 1 || gap[0]?.fromMs !== range.fromMs || gap[0].toMs !== range.toMs) {
    // Somebody else was faster.
    await session.commit(doing, dropGuard)
    return { tag: 'there' }
  }
  const names = new Set(taken.map(({ name: each }) => each))
  const ofDay = partitionName(dayOf(range.fromMs))
  const name = names.has(ofDay) ? laterPartitionName(range.fromMs) : ofDay
  if (await isThere(session, name)) {
    if (!(await isLetGo(session, name))) {
      await session.commit(doing, dropGuard)
      return { tag: 'blocked', why: `there is a table ${name} that is no partition of readings: attach it, or rename it and try again` }
    }
    await session.script(doing, `DROP TABLE ${quoted(name)}`)
  }
  await session.script(
    doing,
    `CREATE TABLE ${quoted(name)} (LIKE readings INCLUDING ALL) WITH (${APPEND_ONLY});
     ALTER TABLE ${quoted(name)} ADD CONSTRAINT millrace_range CHECK (ts IS NOT NULL AND ${within(range)})`,
  )
  const moved = place === undefined ? 0 : await moveStrays(session, place, name, range)
  // Another run may have taken it away, for left over. Then ATTACH scans.
  if (guard !== undefined && (await hasGuard(session, guard)))
    await session.script(doing, `ALTER TABLE ${place?.name} VALIDATE CONSTRAINT ${guard}`)
  await attach(session, name, range, moved > 0)
  await session.commit(doing, `ALTER TABLE ${quoted(name)} DROP CONSTRAINT millrace_range; ${dropGuard}`)
  return { tag: 'made', name, moved }
}

async function isThere(session: Session, name: string): Promise<boolean> {
  const [found] = await session.query<{ there: boolean }>('looking for a table', 'SELECT to_regclass($1) IS NOT NULL AS there', [name])
  return found?.there === true
}

/** Only those who write to the default partition wait meanwhile. */
async function moveStrays(session: Session, place: DefaultPartition, name: string, range: TimeRange): Promise<number> {
  const [found] = await session.query<{ there: boolean }>(
    'looking for rows in the default partition',
    `SELECT EXISTS (SELECT FROM ${place.name} WHERE ${within(range)}) AS there`,
  )
  if (found?.there !== true) return 0
  const columns = await session.query<{ name: string }>(
    'reading the columns of readings',
    "SELECT attname AS name FROM pg_attribute WHERE attrelid = 'readings'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''",
  )
  const list = columns.map((column) => quoted(column.name)).join(', ')
  const counts = await session.script(
    'moving rows out of the default partition',
    `${UNMARKED}; LOCK TABLE ${place.name} IN SHARE ROW EXCLUSIVE MODE;
     WITH moved AS (DELETE FROM ${place.name} WHERE ${within(range)} RETURNING ${list})
       INSERT INTO ${quoted(name)} (${list}) SELECT ${list} FROM moved`,
  )
  return counts.at(-1) ?? 0
}

/**
 * If rows were moved, only the lock is tried again: they stay moved. And `readings` is locked
 * first. A query that had listed the partitions already would wait for the default partition, and
 * then find the rows neither there nor in a partition that it does not know of.
 */
async function attach(session: Session, name: string, range: TimeRange, moved: boolean): Promise<void> {
  const doing = `attaching ${name}`
  const bounds = `FROM (${literal(instant(range.fromMs))}) TO (${literal(instant(range.toMs))})`
  const statement = `ALTER TABLE readings ATTACH PARTITION ${quoted(name)} FOR VALUES ${bounds}`
  if (!moved) {
    await session.script(doing, statement)
    return
  }
  for (let failures = 1; ; failures++) {
    try {
      await session.script(doing, `SAVEPOINT attaching; LOCK TABLE readings IN ACCESS EXCLUSIVE MODE; ${statement}`)
      return
    } catch (error) {
      if (!(error instanceof ConnectorError && error.code === LOCK_NOT_AVAILABLE)) throw error
      if (failures === ATTEMPTS) throw new ConnectorError('busy', true, doing, error)
    }
    await session.script(doing, 'ROLLBACK TO SAVEPOINT attaching')
    await sleep(Math.random() * Math.min(20 * failures, 200))
  }
}

async function hasGuard(session: Session, guard: string): Promise<boolean> {
  const [found] = await session.query<{ there: boolean }>(
    'looking for a guard of the default partition',
    `SELECT EXISTS (SELECT FROM pg_constraint JOIN pg_partitioned_table ON partdefid = conrelid
       WHERE partrelid = 'readings'::regclass AND conname = $1) AS there`,
    [guard],
  )
  return found?.there === true
}

/**
 * From now on nobody adds rows of the range to the default partition. For those who do without
 * Millrace that is an error for the moments until the partition is there.
 */
async function addGuard(session: Session, place: DefaultPartition, range: TimeRange): Promise<string> {
  const guard = `${GUARD}${range.fromMs}`.replace('-', 'm')
  await retryOnLock(session, async () => {
    await session.script('guarding the default partition', BEGIN_TURN)
    await session.commit(
      'guarding the default partition',
      `ALTER TABLE ${place.name} DROP CONSTRAINT IF EXISTS ${guard};
       ALTER TABLE ${place.name} ADD CONSTRAINT ${guard}
         CHECK (ts IS NOT NULL AND (ts < ${literal(instant(range.fromMs))} OR ts >= ${literal(instant(range.toMs))})) NOT VALID`,
    )
  })
  return guard
}

/** Takes away the guards that a killed run left. @returns their names */
export async function removeGuards(session: Session): Promise<readonly string[]> {
  const found = async (): Promise<readonly { place: string; guard: string }[]> =>
    session.query<{ place: string; guard: string }>(
      'looking for guards of the default partition',
      `SELECT conrelid::regclass::text AS place, conname AS guard FROM pg_constraint JOIN pg_partitioned_table ON partdefid = conrelid
       WHERE partrelid = 'readings'::regclass AND starts_with(conname, '${GUARD}')`,
    )
  if ((await found()).length === 0) return []
  return await retryOnLock(session, async () => {
    await session.script('removing guards of the default partition', BEGIN_TURN)
    const guards = await found()
    const statements = guards.map(({ place, guard }) => `ALTER TABLE ${place} DROP CONSTRAINT ${quoted(guard)}`)
    await session.commit('removing guards of the default partition', statements.join('; '))
    return guards.map(({ guard }) => guard)
  })
}

function within({ fromMs, toMs }: TimeRange): string {
  return `ts >= ${literal(instant(fromMs))} AND ts < ${literal(instant(toMs))}`
}
