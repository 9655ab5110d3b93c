import type { Readable } from 'node:stream'
import { type ArchiveColumn, type DayFigures, figureList, readFigures } from '../../processors/store/archive-figures.ts'
import type { TimeRange } from '../../processors/store/time-ranges.ts'
import { ConnectorError } from '../contract.ts'
import { archiveColumns, FIGURES } from './day-export.ts'
import { instant } from './days.ts'
import { retryOnLock } from './lock-retry.ts'
import { LOCK_TIMEOUT_MS, UNMARKED } from './partition-turns.ts'
import { literal, quoted } from './readings-table.ts'
import type { Session } from './session.ts'

/**
 * Which of these columns the table has.
 * @throws ConnectorError if values would be lost, or have another type
 */
export async function importColumns(
  session: Session,
  columns: readonly ArchiveColumn[],
  figures: DayFigures,
): Promise<readonly ArchiveColumn[]> {
  const there = new Map((await archiveColumns(session)).map(({ name, kind }) => [name, kind]))
  for (const { name, kind } of columns) {
    const now = there.get(name)
    if (now === kind || (now === undefined && figures.columns.get(name)?.values === 0)) continue
    throw new ConnectorError(
      'archive-type',
      false,
      now === undefined
        ? `table readings has no column ${name}, and the archive has values of it: add it first`
        : `column ${name} is ${kind} in the archive and ${now} in table readings: change it back`,
    )
  }
  return columns.filter(({ name }) => there.has(name))
}

/**
 * Makes a chunk of the day, in a transaction of its own: who makes one keeps all others from making
 * some until its transaction is over. A partition that is there already is not changed.
 */
export async function makeChunk(session: Session, { fromMs }: TimeRange): Promise<void> {
  const doing = `making the chunk of ${instant(fromMs)}`
  await retryOnLock(session, async () => {
    await session.script(
      doing,
      `BEGIN; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}; ${UNMARKED};
       INSERT INTO readings (device_id, ts, time_estimated) VALUES ('', ${literal(instant(fromMs))}, false)`,
    )
    await session.commit(doing, `DELETE FROM readings WHERE device_id = '' AND ts = ${literal(instant(fromMs))}`)
  })
}

/**
 * Writes rows into the table, in the transaction that the session is in, and adds up what the table
 * then has of that time. Roll-ups do not hear of it.
 * @param csv in the order of the columns; null is \N, and times are UTC
 */
export async function importDay(
  session: Session,
  { fromMs, toMs }: TimeRange,
  columns: readonly ArchiveColumn[],
  csv: Readable,
): Promise<DayFigures> {
  await session.script('bringing a day back', `${UNMARKED}; SET LOCAL datestyle = 'ISO'; SET LOCAL timezone = 'UTC'`)
  const list = columns.map(({ name }) => quoted(name)).join(', ')
  await session.copyIn('bringing the rows of a day back', `COPY readings (${list}) FROM STDIN (FORMAT csv, NULL '\\N')`, csv)
  const [row] = await session.query(
    'adding up the rows of a day',
    `SELECT ${figureList(columns, FIGURES)} FROM readings WHERE ts >= $1 AND ts < $2`,
    [instant(fromMs), instant(toMs)],
  )
  return readFigures(row ?? {}, columns)
}
