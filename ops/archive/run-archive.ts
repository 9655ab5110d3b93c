import { dropPrevious, removeDay, restorePrevious } from '../../connectors/archive/day-files.ts'
import type { ArchivePlace } from '../../connectors/archive/place.ts'
import {
  type ArchivedDay,
  archivedDays,
  endArchiveTurn,
  forgetArchived,
  isInArchive,
  setArchivedState,
  takeArchiveTurn,
} from '../../connectors/postgres/archived-days.ts'
import type { ArchiveEvent } from '../../processors/store/archive-event.ts'
import { dateOf } from '../../processors/store/archive-plan.ts'
import { dayRange } from '../../processors/store/time-ranges.ts'
import { type ArchiveLook, archivePlan } from '../../services/store/archive-due.ts'
import { type ArchiveParts, archiveDay } from './archive-day.ts'

export interface ArchiveRun extends ArchiveParts, ArchiveLook {}

/**
 * One run: finishes what a killed one left, takes due days to the archive, and removes those that
 * storage.archive_retention_days lets go. Each by itself: one that fails is named, and the others
 * are done. Only one run works at a time.
 * @throws ConnectorError if the database or the archive cannot be reached
 */
export async function runArchive(run: ArchiveRun, say: (event: ArchiveEvent) => void): Promise<void> {
  const { session } = run
  const plan = await archivePlan(run)
  if (typeof plan === 'string') {
    say({ event: 'failed', day: null, why: plan })
    return
  }
  if (!(await takeArchiveTurn(session))) {
    say({ event: 'busy' })
    return
  }
  try {
    await run.place.tidy()
    for (const done of await run.backend.finish(session)) say({ event: 'finished', what: done })
    for (const what of await finishDays(run)) say({ event: 'finished', what })
    await takeDays(run, say)
  } finally {
    if (!session.lost) await endArchiveTurn(session)
  }
}

/** Takes what is due to the archive. The caller has the turn. */
export async function takeDays(run: ArchiveRun, say: (event: ArchiveEvent) => void): Promise<void> {
  const { session, backend, place } = run
  const step = async (day: string, doing: () => Promise<void>): Promise<void> => {
    try {
      await doing()
    } catch (error) {
      if (session.lost) throw error
      await session.script('leaving what failed', 'ROLLBACK')
      say({ event: 'failed', day, why: error instanceof Error ? error.message : String(error) })
    }
  }
  const planned = await archivePlan(run)
  for (const number of typeof planned === 'string' ? [] : planned.gather) {
    const day = dateOf(dayRange(number).fromMs)
    await step(day, async () => {
      const { moved } = await backend.make(session, dayRange(number))
      if (moved > 0) say({ event: 'finished', what: `${day}: gave ${moved} rows of the default partition their own` })
    })
  }
  const plan = await archivePlan(run)
  if (typeof plan === 'string') {
    say({ event: 'failed', day: null, why: plan })
    return
  }
  for (const each of plan.held) say({ event: 'held', ...each })
  for (const due of plan.due)
    await step(due.day, async () => {
      const known = (await archivedDays(session)).find(({ day }) => day === due.day)
      const { manifest, taken, conflicts } = await archiveDay(run, due, known)
      const { day, generation, figures, file } = manifest
      say({ event: 'archived', day, rows: figures.rows, taken, bytes: file.bytes, generation, conflicts })
    })
  for (const day of plan.remove)
    await step(day, async () => {
      const known = (await archivedDays(session)).find((each) => each.day === day)
      if (known === undefined || !isInArchive(known) || known.location !== place.location) return
      await setArchivedState(session, day, 'removing')
      await removeDay(place, day)
      await forgetArchived(session, day)
      say({ event: 'removed', day })
    })
}

/**
 * Makes of the archive what the database says, after a run that was killed. @returns what it did
 */
export async function finishDays({ session, place }: Pick<ArchiveRun, 'session' | 'place'>): Promise<readonly string[]> {
  const done: string[] = []
  for (const known of await archivedDays(session)) {
    if (known.location !== place.location) continue
    const what = await finishDay(place, known)
    if (what === undefined) continue
    if (known.state === 'removing' || known.state === 'placing') await forgetArchived(session, known.day)
    else await setArchivedState(session, known.day, known.state === 'restored' ? 'kept' : 'archived')
    done.push(`${known.day}: ${what}`)
  }
  return done
}

async function finishDay(place: ArchivePlace, { day, state }: ArchivedDay): Promise<string | undefined> {
  switch (state) {
    case 'archived':
    case 'kept':
      return undefined
    case 'placing':
      await removeDay(place, day)
      return 'removed the file of a killed run; its rows are in the table'
    case 'replacing':
      await restorePrevious(place, day)
      return 'put back the file that counts, which a killed run had begun to replace'
    case 'replaced':
      await dropPrevious(place, day)
      return 'removed the file that a killed run had replaced'
    case 'removing':
      await removeDay(place, day)
      return 'removed, as a killed run had begun to'
    case 'restored':
      await removeDay(place, day)
      return 'removed the file of a day whose rows a killed run had brought back'
  }
}
