import type { MoveSettings, TableFacts } from '../../processors/store/table-move.ts'
import { cutFrom, primaryKey } from '../../processors/store/table-move.ts'
import type { MoveProgress, StepName } from '../../processors/store/table-steps.ts'
import { DAY_MS, type TimeRange } from '../../processors/store/time-ranges.ts'
import { ConnectorError } from '../contract.ts'
import { retryOnLock } from './lock-retry.ts'
import { listPartitions } from './partition-catalog.ts'
import { BEGIN_TURN } from './partition-turns.ts'
import { literal, quoted } from './readings-table.ts'
import type { Session } from './session.ts'
import {
  addChecks,
  buildIndex,
  dropChecks,
  keyName,
  needsIndex,
  noteName,
  qualified,
  RANGE,
  rebuildKey,
  swapOwn,
  swapReadings,
  unswapOwn,
  unswapReadings,
  validateChecks,
} from './table-attach-sql.ts'
import { forgetNote, type MoveNote, NOTES, writeNote } from './table-move-note.ts'
import type { Move, MoveWay } from './table-move-way.ts'
import { afterSwap, buildConcurrently, builtIndex, hasRollups, locking } from './table-steps.ts'

const CHECK_VIOLATION = '23514'

/** Rows stay where they are: the table becomes a partition. */
export const attachWay: MoveWay = { progress, step: attachStep, undo: undoAttach, finish: async () => undefined, statements }

function statements({ facts, settings, ours }: Move, step: StepName, range: TimeRange): readonly string[] {
  switch (step) {
    case 'index':
      return [buildIndex(facts, settings)]
    case 'check':
      return addChecks(facts, settings, range)
    case 'validate':
      return validateChecks(facts, settings)
    case 'swap':
      return settings.target === 'own' ? swapOwn(facts, settings, range) : swapReadings(facts, settings, range, ours)
    default:
      return []
  }
}

async function progress(session: Session, { facts, settings }: Move, note: MoveNote | undefined): Promise<MoveProgress> {
  const [check] = await session.query<{ valid: boolean }>(
    'looking for the check of the range',
    'SELECT convalidated AS valid FROM pg_constraint WHERE conrelid = to_regclass($1) AND conname = $2',
    [qualified(facts, facts.name), RANGE],
  )
  return {
    index: needsIndex(facts, settings) ? await builtIndex(session, facts) : 'needless',
    check: check === undefined ? 'absent' : check.valid ? 'validated' : 'added',
    swapped: note?.swapped === true,
    doubled: false,
    copied: false,
    compared: false,
    done: note?.done ?? [],
  }
}

/** Carries out one step. What it did stays done; a step that was cut off is done again. */
async function attachStep(session: Session, move: Move, step: StepName): Promise<void> {
  const { facts, settings } = move
  switch (step) {
    case 'index':
      return buildConcurrently(session, facts, buildIndex(facts, settings))
    case 'check':
      return check(session, move)
    case 'validate':
      return validate(session, move)
    case 'swap':
      return swap(session, move)
    default:
      return afterSwap(session, move, step)
  }
}

/** The range begins on the day of the first row. If time has gone by, the cut is a later one. */
async function check(session: Session, { facts, settings, nowMs }: Move): Promise<void> {
  const toMs = settings.cutGiven ? settings.cutMs : cutFrom(nowMs())
  const [first] = await session.query<{ first: number | null }>(
    'looking for the first row',
    `SELECT extract(epoch FROM min(${quoted(settings.time)}))::float8 * 1000 AS first FROM ${qualified(facts, facts.name)}`,
  )
  const fromMs = Math.min(Math.floor((first?.first ?? nowMs()) / DAY_MS) * DAY_MS, toMs - DAY_MS)
  await locking(session, 'adding the check of the range', addChecks(facts, settings, { fromMs, toMs }))
  await writeNote(session, noteName(facts), { ...settings, cutMs: toMs }, facts)
}

async function validate(session: Session, { facts, settings }: Move): Promise<void> {
  const doing = 'validating the check of the range'
  try {
    for (const statement of validateChecks(facts, settings)) await session.script(doing, statement)
  } catch (error) {
    if (!(error instanceof ConnectorError && error.code === CHECK_VIOLATION)) throw error
    await locking(session, doing, [dropChecks(qualified(facts, facts.name))])
    throw new ConnectorError(
      'out-of-range',
      false,
      `${doing}: rows came that it does not hold for; run again, or see what --dry-run says`,
      error,
    )
  }
}

/** The range of the check, which is what the old part is attached with. */
async function checkedRange(session: Session, facts: TableFacts): Promise<TimeRange> {
  const rows = await session.query<{ at: number }>(
    'reading the check of the range',
    `SELECT extract(epoch FROM bound[1]::timestamptz)::float8 * 1000 AS at
     FROM pg_constraint, regexp_matches(pg_get_constraintdef(oid), '''([^'']+)''', 'g') WITH ORDINALITY AS m (bound, place)
     WHERE conrelid = to_regclass($1) AND conname = $2 AND convalidated ORDER BY place`,
    [qualified(facts, facts.name), RANGE],
  )
  const [from, to] = rows
  if (from === undefined || to === undefined)
    throw new ConnectorError('no-check', false, `table ${facts.name} has no validated check ${RANGE}: run again`)
  return { fromMs: from.at, toMs: to.at }
}

async function swap(session: Session, { facts, settings, ours }: Move): Promise<void> {
  const doing = `swapping ${facts.name}`
  const range = await checkedRange(session, facts)
  await writeNote(session, noteName(facts), { ...settings, cutMs: range.toMs }, facts)
  if (settings.target === 'own') return locking(session, doing, swapOwn(facts, settings, range))
  const statements = swapReadings(facts, settings, range, ours).join(';\n')
  return retryOnLock(session, async () => {
    await session.script(doing, BEGIN_TURN)
    await session.script(doing, 'LOCK TABLE ONLY readings IN ACCESS EXCLUSIVE MODE')
    await clearRange(session, range)
    await session.commit(doing, statements)
  })
}

/** Partitions that the store made ahead give way, while they are empty. */
async function clearRange(session: Session, range: TimeRange): Promise<void> {
  for (const { name, fromMs, toMs } of await listPartitions(session)) {
    if (!(fromMs < range.toMs && range.fromMs < toMs)) continue
    const partition = quoted(name)
    await session.script(`locking partition ${name}`, `LOCK TABLE ${partition} IN ACCESS EXCLUSIVE MODE`)
    const [found] = await session.query<{ filled: boolean }>(
      `looking into partition ${name}`,
      `SELECT EXISTS (SELECT FROM ${partition}) AS filled`,
    )
    if (found?.filled === true) {
      await session.script('giving up the swap', 'ROLLBACK')
      throw new ConnectorError(
        'overlap',
        false,
        `partition ${name} of readings has rows of the time of the old table: undo, and give an earlier --cut, or --copy`,
      )
    }
    await session.script(`dropping partition ${name}`, `DROP TABLE ${partition}`)
  }
}

/** Back to what was before, as far as there is a way back. It can be cut off and run again. */
async function undoAttach(session: Session, { facts, settings }: Move, note: MoveNote): Promise<void> {
  const table = qualified(facts, facts.name)
  if (!note.swapped) {
    await locking(session, 'dropping the check of the range', [dropChecks(table)])
    await session.script('dropping the index of the key', `DROP INDEX CONCURRENTLY IF EXISTS ${qualified(facts, keyName(facts))}`)
    return forgetNote(session, noteName(facts))
  }
  const name = literal(noteName(facts))
  if (settings.target === 'own')
    return locking(session, `swapping ${facts.name} back`, [...unswapOwn(facts, settings), `DELETE FROM ${NOTES} WHERE name = ${name}`])
  const undone = `UPDATE ${NOTES} SET done = '{undone}' WHERE name = ${name}`
  if (!note.done.includes('undone')) {
    const rebuilt = rebuildKey(facts, settings)
    if (rebuilt !== undefined && primaryKey(facts) !== undefined) await buildConcurrently(session, facts, rebuilt)
    await locking(
      session,
      `swapping ${facts.name} back`,
      ['LOCK TABLE ONLY readings IN ACCESS EXCLUSIVE MODE', ...unswapReadings(facts, settings), undone],
      BEGIN_TURN,
    )
  }
  await markGone(session, facts, settings)
  await forgetNote(session, noteName(facts))
}

/** Roll-ups of what readings no longer has are to be made anew. */
async function markGone(session: Session, facts: TableFacts, settings: MoveSettings): Promise<void> {
  if (!(await hasRollups(session))) return
  const [device, time] = [quoted(settings.key[0] ?? ''), quoted(settings.time)]
  await session.script(
    'marking the roll-ups of what was taken out',
    `INSERT INTO rollup_pending AS p (device_id, hour, from_ts, to_ts, due_at)
     SELECT ${device}, hour, hour, hour + interval '1 hour', now() FROM ${qualified(facts, facts.name)}, date_bin('1 hour', ${time}, 'epoch') AS hour
     GROUP BY ${device}, hour ORDER BY ${device}, hour
     ON CONFLICT (device_id, hour) DO UPDATE SET from_ts = excluded.from_ts, to_ts = excluded.to_ts`,
  )
}
