import type { TableFacts } from '../../processors/store/table-move.ts'
import type { MoveProgress, StepName } from '../../processors/store/table-steps.ts'
import { ConnectorError } from '../contract.ts'
import { retryOnLock } from './lock-retry.ts'
import { literal, quoted } from './readings-table.ts'
import type { Session } from './session.ts'
import { keyName, noteName, oldName, qualified } from './table-attach-sql.ts'
import {
  COPY_LOCK,
  compareRows,
  copyIndex,
  copyRows,
  DOUBLE,
  dropFunction,
  dropTriggers,
  needsCopyIndex,
  newName,
  rowsOf,
  startDoubling,
  swapCopied,
  targetOf,
  timeRange,
  unswapCopied,
} from './table-copy-sql.ts'
import { forgetNote, type MoveNote, NOTES, readNote, writeNote } from './table-move-note.ts'
import type { Move, MoveWay } from './table-move-way.ts'
import { afterSwap, buildConcurrently, builtIndex, hasRollups, locking } from './table-steps.ts'

/** Rows of a batch: as many as take about so long, since those who update or delete wait for it. */
const BATCH_MS = 150
const LEAST_ROWS = 1_000
const MOST_ROWS = 50_000
const COMPARED_ROWS = 500_000
/**
 * Less than deadlock_timeout: of a batch and a writer that wait for each other, the batch gives up.
 */
const BATCH_LOCK_MS = 500

/** Rows are copied into a hypertable, or into readings, while a trigger doubles each write. */
export const copyWay: MoveWay = {
  progress,
  step: copyStep,
  undo,
  finish,
  statements({ facts, settings, ours }, step) {
    const target = targetOf(facts, settings, ours)
    if (step === 'index') return [copyIndex(facts, settings)]
    if (step === 'double') return startDoubling(facts, settings, ours)
    if (step === 'copy') return [copyRows(target, rowsOf(facts, settings, '…', '…'), settings.target === 'readings')]
    if (step === 'compare') return [compareRows(target, rowsOf(facts, settings, '…', '…'), timeRange(target, settings, '…', '…'))]
    return step === 'swap' ? swapCopied(facts, settings) : []
  },
}

async function progress(session: Session, { facts, settings }: Move, note: MoveNote | undefined): Promise<MoveProgress> {
  const doubled = await session.query(
    'looking for the trigger that doubles',
    'SELECT FROM pg_trigger WHERE tgrelid = to_regclass($1) AND tgname = $2',
    [qualified(facts, facts.name), DOUBLE],
  )
  return {
    index: needsCopyIndex(facts, settings) ? await builtIndex(session, facts) : 'needless',
    check: 'absent',
    swapped: note?.swapped === true,
    doubled: doubled.length > 0,
    copied: note?.copied === true,
    compared: note?.compared === true,
    done: note?.done ?? [],
  }
}

async function copyStep(session: Session, move: Move, step: StepName): Promise<void> {
  const { facts, settings, ours } = move
  switch (step) {
    case 'index':
      return buildConcurrently(session, facts, copyIndex(facts, settings))
    case 'double':
      // What was copied before, without the trigger, would be of another time.
      return locking(session, 'doubling writes', [
        ...startDoubling(facts, settings, ours),
        `UPDATE ${NOTES} SET copied_to = NULL, copied = false, compared_to = NULL, compared = false WHERE name = ${literal(noteName(facts))}`,
      ])
    case 'copy':
      return copy(session, move)
    case 'compare':
      return compare(session, move)
    case 'swap':
      await writeNote(session, noteName(facts), settings, facts)
      return locking(session, `swapping ${facts.name}`, swapCopied(facts, settings))
    default:
      return afterSwap(session, move, step)
  }
}

/** The time of the n-th row after a time, as text with microseconds; null if there are fewer. */
async function timeAfter(session: Session, { facts, settings }: Move, from: string | null, rows: number): Promise<string | null> {
  const [found] = await session.query<{ at: string }>(
    'looking for the next rows',
    `SELECT x.${quoted(settings.time)}::text AS at FROM ${rowsOf(facts, settings, from, null)} ORDER BY x.${quoted(settings.time)} OFFSET ${rows} LIMIT 1`,
  )
  return found?.at ?? null
}

/**
 * Where a range ends: after so many rows, or with the last one that was there at the beginning.
 * Later ones are doubled.
 */
async function rangeEnd(session: Session, move: Move, from: string | null, rows: number, last: LastRow): Promise<string | null> {
  const to = await timeAfter(session, move, from, rows)
  if (to === null) return null
  const [found] = await session.query<{ over: boolean }>('comparing times', 'SELECT $1::timestamptz >= $2::timestamptz AS over', [
    to,
    last.at,
  ])
  return found?.over === true ? null : to
}

interface LastRow {
  readonly at: string | null
}

async function lastRow(session: Session, { facts, settings }: Move): Promise<LastRow> {
  const [found] = await session.query<{ at: string | null }>(
    'looking for the last row',
    `SELECT max(${quoted(settings.time)})::text AS at FROM ${qualified(facts, facts.name)}`,
  )
  return { at: found?.at ?? null }
}

/** Batch by batch in the order of time. The note moves on in the batch's own transaction. */
async function copy(session: Session, move: Move): Promise<void> {
  const { facts, settings, ours, say } = move
  const marks = settings.target === 'readings' && (await hasRollups(session))
  const target = targetOf(facts, settings, ours)
  const name = literal(noteName(facts))
  let from = (await readNote(session, noteName(facts)))?.copiedTo ?? null
  const last = await lastRow(session, move)
  let saidMs = performance.now()
  let batch = LEAST_ROWS
  for (;;) {
    const to = await rangeEnd(session, move, from, batch, last)
    const rows = rowsOf(facts, settings, from, to ?? last.at)
    if (settings.target === 'readings' && move.readings?.prepares === true) await prepareDays(session, move, rows)
    let beganMs = 0
    await retryOnLock(session, async () => {
      await session.script('copying rows', `BEGIN; SET LOCAL lock_timeout = ${BATCH_LOCK_MS}; SELECT pg_advisory_xact_lock(${COPY_LOCK})`)
      beganMs = performance.now()
      await session.script('copying rows', `${marks ? "SET LOCAL millrace.marks = 'on'; " : ''}${copyRows(target, rows, marks)}`)
      const moved = to === null ? 'copied = true' : `copied_to = ${literal(to)}`
      await session.commit('copying rows', `UPDATE ${NOTES} SET ${moved} WHERE name = ${name}`)
    })
    if (to === null) return
    from = to
    batch = Math.round(Math.min(MOST_ROWS, Math.max(LEAST_ROWS, batch * Math.min(2, BATCH_MS / (performance.now() - beganMs)))))
    if (performance.now() - saidMs > 10_000) {
      say(`copy: up to ${to}`)
      saidMs = performance.now()
    }
  }
}

/** Plain PostgreSQL: each day of a batch needs its partition. */
async function prepareDays(session: Session, { readings, settings }: Move, rows: string): Promise<void> {
  const days = await session.query<{ day: number }>(
    'looking for the days of the next rows',
    `SELECT DISTINCT floor(extract(epoch FROM x.${quoted(settings.time)}) / 86400)::integer AS day FROM ${rows}`,
  )
  await readings?.ensureDays(
    session,
    days.map(({ day }) => day),
  )
}

/**
 * Each row of the table must be in the target. What comes meanwhile is doubled in its own
 * transaction.
 */
async function compare(session: Session, move: Move): Promise<void> {
  const { facts, settings, ours, say } = move
  const target = targetOf(facts, settings, ours)
  const name = literal(noteName(facts))
  let from = (await readNote(session, noteName(facts)))?.comparedTo ?? null
  const last = await lastRow(session, move)
  let kept = 0
  for (;;) {
    const to = await rangeEnd(session, move, from, COMPARED_ROWS, last)
    const end = to ?? last.at
    const [found] = await session.query<{ missing: number; different: number }>(
      'comparing rows',
      compareRows(target, rowsOf(facts, settings, from, end), timeRange(target, settings, from, end)),
    )
    const { missing, different } = found ?? { missing: 0, different: 0 }
    if (missing > 0 || (different > 0 && settings.target === 'own')) {
      await session.script('copying anew', `UPDATE ${NOTES} SET copied_to = NULL, copied = false, compared_to = NULL WHERE name = ${name}`)
      throw new ConnectorError(
        'differs',
        false,
        `comparing rows: the copy lacks ${missing} and has ${different} with other values, after ${from ?? 'the first'}: somebody wrote without the trigger. The next run copies again; --undo drops the copy`,
      )
    }
    kept += different
    await session.script(
      'noting what was compared',
      `UPDATE ${NOTES} SET ${to === null ? 'compared = true' : `compared_to = ${literal(to)}`} WHERE name = ${name}`,
    )
    if (to === null) break
    from = to
  }
  if (kept > 0) say(`compare: readings had ${kept} of these rows with other values: it keeps its own`)
}

async function undo(session: Session, { facts, settings }: Move, note: MoveNote): Promise<void> {
  const table = qualified(facts, facts.name)
  if (!note.swapped) await locking(session, 'ending the doubling of writes', dropTriggers(table))
  else if (!note.done.includes('undone')) {
    const undone = `UPDATE ${NOTES} SET done = '{undone}' WHERE name = ${literal(noteName(facts))}`
    await locking(session, `swapping ${facts.name} back`, [...unswapCopied(facts, settings), undone])
  }
  await clear(session, facts, settings.target === 'own' ? newName(facts) : undefined)
  await session.script('dropping the index of the copy', `DROP INDEX CONCURRENTLY IF EXISTS ${qualified(facts, keyName(facts))}`)
  await forgetNote(session, noteName(facts))
}

async function finish(session: Session, { facts, settings }: Move): Promise<void> {
  if (settings.target === 'own') await locking(session, 'ending the doubling of writes', dropTriggers(qualified(facts, facts.name)))
  await clear(session, facts, oldName(facts))
}

/** Drops what nobody uses any more. */
async function clear(session: Session, facts: TableFacts, table: string | undefined): Promise<void> {
  if (table !== undefined) await locking(session, `dropping ${table}`, [`DROP TABLE IF EXISTS ${qualified(facts, table)}`])
  await session.script('dropping the function of the trigger', dropFunction(facts))
}
