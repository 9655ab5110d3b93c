import { removeDay } from '../../connectors/archive/day-files.ts'
import { openDuck } from '../../connectors/archive/duckdb.ts'
import { exportRows } from '../../connectors/archive/parquet-day.ts'
import { ConnectorError } from '../../connectors/contract.ts'
import {
  type ArchivedDay,
  archivedDays,
  endArchiveTurn,
  setArchivedState,
  takeArchiveTurn,
} from '../../connectors/postgres/archived-days.ts'
import { importColumns, importDay, makeChunk } from '../../connectors/postgres/day-import.ts'
import { reopenRollups } from '../../connectors/postgres/settle-rollups.ts'
import type { ArchiveEvent } from '../../processors/store/archive-event.ts'
import type { DayFigures } from '../../processors/store/archive-figures.ts'
import { DAY_MS } from '../../processors/store/time-ranges.ts'
import { archivePlan } from '../../services/store/archive-due.ts'
import { openArchived, requireSame } from './archive-day.ts'
import { type ArchiveRun, finishDays, takeDays } from './run-archive.ts'

export interface RestoreRun extends ArchiveRun {
  readonly day: string
  /** Whether roll-ups are kept up to date (`store.rollups`). */
  readonly rollups: boolean
}

/** Rows of the day may come while it is brought back: then it is done again, so often. */
const ATTEMPTS = 3
const UNIQUE_VIOLATION = '23505'

/**
 * Brings an archived day back into the table. Late rows go to the file first, so that the table has
 * none. Then one transaction writes the rows, compares what the table has with the manifest, has
 * the roll-ups computed from readings again, and notes that the file does not count any more; the
 * file is removed after it. Killed at any moment, the day is in the archive or in the table, and
 * the next run removes what is left.
 * @throws ConnectorError if the day is not archived, or anything differs: it stays archived then
 */
export async function restoreDay(run: RestoreRun, say: (event: ArchiveEvent) => void): Promise<void> {
  const { session, place, day } = run
  if (!(await takeArchiveTurn(session)))
    throw new ConnectorError('busy', true, 'another run works at the archive: try again once it is over')
  try {
    await place.tidy()
    for (const what of await finishDays(run)) say({ event: 'finished', what })
    const rows = await attempts(run, say)
    await removeDay(place, day)
    await setArchivedState(session, day, 'kept')
    say({ event: 'restored', day, rows })
  } finally {
    if (!session.lost) await endArchiveTurn(session)
  }
}

async function attempts(run: RestoreRun, say: (event: ArchiveEvent) => void): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    await archived(run)
    if (typeof (await archivePlan(run)) !== 'string') await takeLateRows(run, say)
    try {
      return await bringBack(run, await archived(run))
    } catch (error) {
      if (run.session.lost) throw error
      await run.session.script('leaving what failed', 'ROLLBACK')
      const late = error instanceof ConnectorError && (error.code === UNIQUE_VIOLATION || error.code === 'archive-verify')
      if (!late || attempt === ATTEMPTS) throw error
    }
  }
}

async function archived({ session, day }: RestoreRun): Promise<ArchivedDay> {
  const found = (await archivedDays(session)).find((each) => each.day === day)
  if (found?.state === 'archived') return found
  const why = found?.state === 'kept' ? 'its rows are in the table already' : 'the archive does not have it'
  throw new ConnectorError('not-archived', false, `${day}: ${why}`)
}

async function takeLateRows(run: RestoreRun, say: (event: ArchiveEvent) => void): Promise<void> {
  const failed: string[] = []
  await takeDays(run, (event) => {
    if (event.event === 'failed' || event.event === 'held') failed.push(event.why)
    else say(event)
  })
  if (failed.length > 0)
    throw new ConnectorError(
      'late-rows',
      true,
      `${run.day}: the table has rows of it, which must go to the archive first: ${failed.join('; ')}`,
    )
}

async function bringBack(run: RestoreRun, known: ArchivedDay): Promise<number> {
  const { session, backend, place, day } = run
  const fromMs = Date.parse(`${day}T00:00:00Z`)
  const range = { fromMs, toMs: fromMs + DAY_MS }
  const file = await openArchived(place, known)
  const columns = await importColumns(session, file.columns, file.figures)
  const { blocked } = await backend.make(session, range)
  for (const { why } of blocked) throw new ConnectorError('blocked', false, `${day}: ${why}`)
  await makeChunk(session, range)
  await using duck = await openDuck(place.work)
  await session.script('bringing a day back', 'BEGIN')
  let found: DayFigures | undefined
  await exportRows(duck, columns, file.path, async (csv) => {
    found = await importDay(session, range, columns, csv)
  })
  if (found === undefined) throw new ConnectorError('archive-verify', false, `${day}: nothing was brought back`)
  const names = new Set(columns.map(({ name }) => name))
  const expected = { ...file.figures, columns: new Map([...file.figures.columns].filter(([name]) => names.has(name))) }
  requireSame(`${day}: what the table has now`, expected, found)
  const { merged, repeated, conflicts } = known.late
  // Late rows that met an archived one were counted again.
  await reopenRollups(session, range, file.figures.rows + merged + repeated + conflicts, run.rollups)
  await setArchivedState(session, day, 'restored')
  await session.commit(`bringing ${day} back`)
  return file.figures.rows
}
