import { DAY_MS, dayRange, gaps, type TimeRange } from './time-ranges.ts'

/** What the plan looks at of a partition, or a chunk. */
export interface PlannedPartition extends TimeRange {
  readonly name: string
  /** Millrace made it. Others are never touched. */
  readonly own: boolean
  /** Whether there is anything in it. */
  readonly filled: boolean
}

export interface PartitionSettings {
  /** Days after today that are kept ready. */
  readonly daysAhead: number
  /** Whole days that are kept after their end; undefined: all are. */
  readonly retentionDays: number | undefined
  /** Whole days after which a chunk goes to the server's columnstore; undefined: none do. */
  readonly columnstoreDays?: number | undefined
}

export interface Moment {
  readonly nowMs: number
  /** What time it is for the database. */
  readonly databaseMs: number
}

export interface PartitionPlan {
  /** Ranges within a day that need a partition, in order. Today comes first. */
  readonly make: readonly TimeRange[]
  /** What retention lets go, oldest first. */
  readonly drop: readonly PlannedPartition[]
  /** Rows outside the partitions that are older go too. Minus infinity: none. */
  readonly cutoffMs: number
  /** What ends before goes to the columnstore; undefined: there is to be none. */
  readonly columnstoreMs: number | undefined
  /** What retention would let go, if it was Millrace's. */
  readonly leftAlone: readonly PlannedPartition[]
}

/** Clocks that differ by more are wrong, and nobody knows which one. */
export const MOST_APART_MS = 600_000

/**
 * Why nothing may be made or dropped now; undefined if the clocks agree. A clock that is a year
 * ahead would let everything go.
 */
export function clockFault({ nowMs, databaseMs }: Moment): string | undefined {
  const apartMs = nowMs - databaseMs
  if (Math.abs(apartMs) <= MOST_APART_MS) return undefined
  const how = Number.isNaN(apartMs)
    ? 'the database does not say what time it is'
    : `this machine's clock says ${said(nowMs)}, the database's ${said(databaseMs)}`
  return `${how}: no partition is made or dropped before they agree`
}

/**
 * The end of what retention lets go. Age counts from the newest day with rows, if that is over: if
 * both clocks are wrong, or nothing comes any more, nothing more is dropped than was asked for.
 * Always the start of a day, so that a day goes as a whole.
 */
export function retentionCutoff(partitions: readonly PlannedPartition[], retentionDays: number | undefined, nowMs: number): number {
  if (retentionDays === undefined) return Number.NEGATIVE_INFINITY
  const filled = partitions.filter((each) => each.filled && each.fromMs <= nowMs && Number.isFinite(each.fromMs))
  const newestMs = Math.max(...filled.map(({ toMs }) => Math.min(toMs, nowMs)))
  return Math.floor(newestMs / DAY_MS - retentionDays) * DAY_MS
}

/** What is to be done, from what there is. `clockFault` comes first. */
export function planPartitions(partitions: readonly PlannedPartition[], settings: PartitionSettings, nowMs: number): PartitionPlan {
  const today = Math.floor(nowMs / DAY_MS)
  const days = Array.from({ length: settings.daysAhead + 1 }, (_, ahead) => dayRange(today + ahead))
  const cutoffMs = retentionCutoff(partitions, settings.retentionDays, nowMs)
  const due = partitions.filter(({ toMs }) => toMs <= cutoffMs).sort((one, other) => one.toMs - other.toMs)
  return {
    make: days.flatMap((day) => gaps(day, partitions)),
    drop: due.filter(({ own }) => own),
    cutoffMs,
    columnstoreMs: settings.columnstoreDays === undefined ? undefined : retentionCutoff(partitions, settings.columnstoreDays, nowMs),
    leftAlone: due.filter(({ own }) => !own),
  }
}

/** Partitions by the day that they begin on: a day with many strays has several. */
export function byDay<Each extends TimeRange>(partitions: readonly Each[]): readonly (readonly Each[])[] {
  const days = new Map<number, Each[]>()
  for (const partition of partitions) {
    const day = Math.floor(partition.fromMs / DAY_MS)
    days.set(day, [...(days.get(day) ?? []), partition])
  }
  return [...days.values()]
}

/** Days after today, without a gap, that have a place for all their rows. */
export function daysReady(partitions: readonly PlannedPartition[], nowMs: number): number {
  const today = Math.floor(nowMs / DAY_MS)
  let ready = 0
  while (ready < 366 && gaps(dayRange(today + ready + 1), partitions).length === 0) ready++
  return ready
}

/** What becomes of one partition, for people. */
export interface Fate {
  /** `open`: rows of now or later belong there. `closed`: its time is over. */
  readonly state: 'open' | 'closed'
  /** When retention lets it go, by the clock; null if it is kept. */
  readonly dropsMs: number | null
}

export function fateOf(partition: PlannedPartition, retentionDays: number | undefined, nowMs: number): Fate {
  const state = partition.toMs > nowMs ? 'open' : 'closed'
  if (retentionDays === undefined || !partition.own || !Number.isFinite(partition.toMs)) return { state, dropsMs: null }
  return { state, dropsMs: Math.ceil(partition.toMs / DAY_MS + retentionDays) * DAY_MS }
}

function said(ms: number): string {
  return Number.isFinite(ms) && Math.abs(ms) < 8.64e15 ? new Date(ms).toISOString() : String(ms)
}
