import { archivedDays, isInArchive } from '../../connectors/postgres/archived-days.ts'
import type { StorageBackend, StoredPartition } from '../../connectors/postgres/backend.ts'
import { databaseTime } from '../../connectors/postgres/clock.ts'
import type { Session } from '../../connectors/postgres/session.ts'
import { type ArchivePlan, type ArchiveSettings, dateOf, planArchive } from '../../processors/store/archive-plan.ts'
import { clockFault } from '../../processors/store/partition-plan.ts'
import { dayRange } from '../../processors/store/time-ranges.ts'

export interface ArchiveLook {
  readonly session: Session
  readonly backend: StorageBackend
  readonly settings: ArchiveSettings
  readonly nowMs: () => number
  /** What time it is for the database; a test moves it along. */
  readonly databaseMs?: () => Promise<number>
  /** Only this day, as in 2026-11-23, and if it is not due for its age too. */
  readonly day?: string | undefined
}

/** What is to be archived and removed; in words why nothing is. */
export async function archivePlan(look: ArchiveLook): Promise<ArchivePlan<StoredPartition> | string> {
  const { session, backend, settings, day } = look
  const nowMs = look.nowMs()
  const fault = clockFault({ nowMs, databaseMs: await (look.databaseMs?.() ?? databaseTime(session)) })
  if (fault !== undefined) return fault
  const noted = await archivedDays(session)
  const archived = noted.filter(isInArchive).map((each) => each.day)
  const strays = new Set((await backend.strayDays(session)).days.flatMap((each) => (each.day === null ? [] : [each.day])))
  const partitions = await backend.list(session)
  if (day === undefined) {
    const kept = new Set(noted.filter(({ state }) => state === 'kept').map((each) => each.day))
    const all = planArchive(partitions, settings, { archived, strays }, nowMs)
    const others = <Each extends { readonly day: string }>(days: readonly Each[]): readonly Each[] =>
      days.filter((each) => !kept.has(each.day))
    return { ...all, due: others(all.due), held: others(all.held) }
  }
  const plan = planArchive(partitions, { afterDays: 0, retentionDays: undefined }, { archived, strays }, nowMs)
  const gather = plan.gather.filter((each) => dateOf(dayRange(each).fromMs) === day)
  const due = plan.due.filter((each) => each.day === day)
  const held = plan.held.filter((each) => each.day === day)
  if (gather.length + due.length + held.length === 0) return `${day} is not a day that is over and has rows in table readings`
  return { gather, due, held, remove: [] }
}

/**
 * Whether a run would do something, so that none is started for nothing. What is held, or wrong
 * with the clock, a run says.
 */
export async function isArchiveDue(look: ArchiveLook): Promise<boolean> {
  const plan = await archivePlan(look)
  if (typeof plan === 'string' || plan.gather.length + plan.due.length + plan.held.length + plan.remove.length > 0) return true
  return (await archivedDays(look.session)).some(({ state }) => state !== 'archived' && state !== 'kept')
}
