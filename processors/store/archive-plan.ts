import { byDay, type PlannedPartition, retentionCutoff } from './partition-plan.ts'
import { DAY_MS, dayRange, type TimeRange } from './time-ranges.ts'

export interface ArchiveSettings {
  /** Whole days after its end that a day stays in the table. */
  readonly afterDays: number
  /** Whole days after its end that a day is kept in the archive; undefined: all are. */
  readonly retentionDays: number | undefined
}

/** A day that goes to the archive. */
export interface DueDay<Partition extends PlannedPartition = PlannedPartition> {
  /** UTC, as in 2026-11-23. */
  readonly day: string
  readonly range: TimeRange
  readonly partitions: readonly Partition[]
}

export interface ArchivePlan<Partition extends PlannedPartition = PlannedPartition> {
  /**
   * Days since 1970 that are due and have rows outside all partitions: these get partitions first.
   * A store may write there for a minute after a day went.
   */
  readonly gather: readonly number[]
  /** Oldest first. */
  readonly due: readonly DueDay<Partition>[]
  /** Days that are due and stay, and why. */
  readonly held: readonly { readonly day: string; readonly why: string }[]
  /** Archived days that storage.archive_retention_days lets go, oldest first. */
  readonly remove: readonly string[]
}

/**
 * What is to be done, from what there is. Age counts as for retention (`retentionCutoff`), and
 * `clockFault` comes first.
 * @param archived days, as in 2026-11-23
 * @param strays days since 1970 that have rows outside all partitions
 */
export function planArchive<Partition extends PlannedPartition>(
  partitions: readonly Partition[],
  settings: ArchiveSettings,
  found: { readonly archived: readonly string[]; readonly strays: ReadonlySet<number> },
  nowMs: number,
): ArchivePlan<Partition> {
  const cutoffMs = retentionCutoff(partitions, settings.afterDays, nowMs)
  const due: DueDay<Partition>[] = []
  const held: { day: string; why: string }[] = []
  for (const group of byDay(partitions.filter(({ toMs }) => toMs <= cutoffMs))) {
    const number = Math.floor((group[0]?.fromMs ?? Number.NaN) / DAY_MS)
    if (!Number.isFinite(number)) {
      held.push({ day: group[0]?.name ?? '', why: 'it has no beginning' })
      continue
    }
    const range = dayRange(number)
    const day = dateOf(range.fromMs)
    if (group.some(({ own }) => !own)) held.push({ day, why: 'a partition of it is not one that Millrace made' })
    else if (group.some(({ toMs }) => toMs > range.toMs)) held.push({ day, why: 'its chunk has more than one day, or another beginning' })
    else if (found.strays.has(number)) held.push({ day, why: 'rows of it lie in the default partition: `millrace partitions drain`' })
    else if (group.some(({ filled }) => filled)) due.push({ day, range, partitions: group })
  }
  due.sort((one, other) => one.range.fromMs - other.range.fromMs)
  const letGoMs = retentionCutoff(partitions, settings.retentionDays, nowMs)
  const remove = found.archived.filter((day) => Date.parse(`${day}T00:00:00Z`) + DAY_MS <= letGoMs).sort()
  const gather = [...found.strays].filter((number) => dayRange(number).toMs <= cutoffMs).sort((one, other) => one - other)
  return { gather, due, held, remove }
}

export function dateOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}
