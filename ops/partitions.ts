import { archivedDays, isInArchive } from '../connectors/postgres/archived-days.ts'
import type { StorageBackend, StoredPartition, Strays } from '../connectors/postgres/backend.ts'
import type { Session } from '../connectors/postgres/session.ts'
import { dayFolder, type LateRows } from '../processors/store/archive-manifest.ts'
import { fateOf, type PartitionSettings } from '../processors/store/partition-plan.ts'
import { DAY_MS, dayRange, gaps, type TimeRange } from '../processors/store/time-ranges.ts'
import { whole } from './figures.ts'
import { type Alignment, table } from './text-table.ts'

/** Days of rows outside that are listed; the rest are counted. */
const MOST_DAYS = 100

/** A partition, or a chunk, as `millrace partitions --json` gives it. Times are ISO 8601, UTC. */
export interface PartitionEntry {
  readonly name: string
  /** Null if it has no beginning, or no range of one time. */
  readonly from: string | null
  readonly to: string | null
  /** Estimated; null if nobody knows. */
  readonly rows: number | null
  readonly bytes: number
  readonly indexBytes: number
  /** `open`: rows of now or later belong there. */
  readonly state: 'open' | 'closed'
  /** Millrace did not make it, and never drops it. */
  readonly foreign: boolean
  /** When it is dropped, by the clock; null if it is kept. */
  readonly dropsAt: string | null
  /** When it goes to the archive, by the clock; null if it does not. */
  readonly archivesAt: string | null
  /** It was brought back from the archive, and stays until somebody archives it by name. */
  readonly restored: boolean
}

/** A day that is in the archive. */
export interface ArchivedEntry {
  /** UTC, as in 2026-11-23. */
  readonly day: string
  readonly rows: number
  readonly bytes: number
  readonly state: 'archived'
  /** Folder of its files. */
  readonly location: string
  /** Times that it was written: once, and each time that late rows were merged. */
  readonly generation: number
  readonly late: LateRows
}

export interface PartitionReport {
  readonly table: 'readings'
  readonly backend: StorageBackend['name']
  readonly partitions: readonly PartitionEntry[]
  readonly archived: readonly ArchivedEntry[]
  /** Days ahead that have no partition yet, or not for all of the day: the store makes them. */
  readonly toBeMade: readonly string[]
  readonly strays: Strays
}

export async function partitionReport(
  backend: StorageBackend,
  session: Session,
  settings: PartitionSettings,
  nowMs: number,
  archiveAfterDays?: number,
): Promise<PartitionReport> {
  const found = await backend.list(session)
  const noted = await archivedDays(session)
  const kept = new Set(noted.filter(({ state }) => state === 'kept').map(({ day }) => day))
  const today = Math.floor(nowMs / DAY_MS)
  const ahead = Array.from({ length: backend.prepares ? settings.daysAhead + 1 : 0 }, (_, index) => dayRange(today + index))
  return {
    table: 'readings',
    backend: backend.name,
    partitions: found.map((each) => entry(each, settings, nowMs, archiveAfterDays, kept)),
    archived: noted.filter(isInArchive).map(({ day, rows, bytes, location, generation, late }) => ({
      day,
      rows,
      bytes,
      state: 'archived',
      location: `${location}/${dayFolder(day)}`,
      generation,
      late,
    })),
    toBeMade: ahead.filter((day) => gaps(day, found).length > 0).map(({ fromMs }) => dateOf(fromMs)),
    strays: await backend.strayDays(session),
  }
}

function entry(
  partition: StoredPartition,
  { retentionDays }: PartitionSettings,
  nowMs: number,
  archiveAfterDays: number | undefined,
  kept: ReadonlySet<string>,
): PartitionEntry {
  const { name, fromMs, toMs, rows, bytes, indexBytes, own } = partition
  const { state, dropsMs } = fateOf(partition, retentionDays, nowMs)
  // An age counts alike for both.
  const { dropsMs: archivesMs } = fateOf(partition, archiveAfterDays, nowMs)
  const restored = Number.isFinite(fromMs) && kept.has(dateOf(fromMs))
  return {
    name,
    from: iso(fromMs),
    to: iso(toMs),
    rows,
    bytes,
    indexBytes,
    state,
    foreign: !own,
    dropsAt: dropsMs === null ? null : iso(dropsMs),
    archivesAt: archivesMs === null || restored ? null : iso(archivesMs),
    restored,
  }
}

/** The report as lines for people. */
export function partitionLines({ backend, partitions, archived, toBeMade, strays }: PartitionReport): readonly string[] {
  const what = backend === 'timescaledb' ? 'chunks of TimescaleDB' : 'partitions'
  const [first, last] = [partitions[0]?.from, partitions.at(-1)?.from]
  const span = first == null || last == null ? '' : `, ${first.slice(0, 10)} to ${last.slice(0, 10)}`
  const lines = [`readings has ${whole(partitions.length)} ${what}${span}`]
  if (partitions.length > 0) lines.push(...table([HEAD, ...partitions.map(cells)], ALIGNED))
  lines.push(...archivedLines(archived))
  if (toBeMade.length > 0) lines.push(`The store will make: ${toBeMade.join(', ')}`)
  return [...lines, ...strayLines(backend, strays)]
}

const HEAD = ['name', 'from', 'to', 'rows', 'size', 'index', 'state', 'planned']
const ALIGNED: readonly Alignment[] = ['left', 'left', 'left', 'right', 'right', 'right', 'left', 'left']

function cells({
  name,
  from,
  to,
  rows,
  bytes,
  indexBytes,
  state,
  foreign,
  dropsAt,
  archivesAt,
  restored,
}: PartitionEntry): readonly string[] {
  const kept = restored ? 'kept: brought back from the archive' : archivesAt === null ? 'kept' : `archived on ${archivesAt.slice(0, 10)}`
  const planned = foreign ? 'left alone: Millrace did not make it' : dropsAt === null ? kept : `dropped on ${dropsAt.slice(0, 10)}`
  return [name, minute(from), minute(to), rows === null ? '?' : `~${whole(rows)}`, mebibytes(bytes), mebibytes(indexBytes), state, planned]
}

function archivedLines(archived: readonly ArchivedEntry[]): readonly string[] {
  const [first, last] = [archived[0], archived.at(-1)]
  if (first === undefined || last === undefined) return []
  const rows = archived.reduce((sum, each) => sum + each.rows, 0)
  const bytes = archived.reduce((sum, each) => sum + each.bytes, 0)
  return [
    `The archive has ${whole(archived.length)} days, ${first.day} to ${last.day}: ${whole(rows)} rows, ${mebibytes(bytes)}`,
    ...table(
      [
        ['day', 'rows', 'size', 'state', 'location'],
        ...archived.map((each) => [each.day, whole(each.rows), mebibytes(each.bytes), each.state, each.location]),
      ],
      ['left', 'right', 'right', 'left', 'left'],
    ),
  ]
}

function strayLines(backend: StorageBackend['name'], { days, exact }: Strays): readonly string[] {
  if (days.length === 0) return [backend === 'timescaledb' ? 'No row can lie outside them.' : 'No row lies in the default partition.']
  const rows = days.reduce((sum, each) => sum + each.rows, 0)
  const lines = [
    `${exact ? '' : 'About '}${whole(rows)} rows lie in the default partition, where queries of any time look at them:`,
    ...table(
      days
        .slice(0, MOST_DAYS)
        .map(({ day, rows: count }) => [
          day === null ? 'no day' : dateOf(dayRange(day).fromMs),
          `${whole(count)} rows`,
          day === null ? 'their time is infinite or beyond the year 9999: correct or delete them by hand' : '',
        ]),
      ['left', 'right', 'left'],
    ).map((line) => `  ${line}`),
  ]
  if (days.length > MOST_DAYS) lines.push(`  … and ${whole(days.length - MOST_DAYS)} more days`)
  lines.push('`millrace partitions drain` gives each of these days a partition, while writers go on.')
  return lines
}

/**
 * Gives rows outside the partitions their own, day by day, and says what became of each. What was
 * done stays done if it is interrupted, and the next run does the rest.
 * @returns how many rows have to stay, at least
 */
export async function drainStrays(backend: StorageBackend, session: Session, say: (line: string) => void): Promise<number> {
  for (const done of await backend.finish(session)) say(done)
  for (;;) {
    const { days, exact } = await backend.strayDays(session)
    if (days.length === 0) say('no row lies in the default partition')
    let progress = 0
    for (const { day, rows } of days) {
      if (day === null) say(`no day: ${exact ? '' : 'about '}${whole(rows)} rows stay: they have no day that a partition could be made of`)
      else progress += await drainDay(backend, session, dayRange(day), say)
    }
    // Of a large one only a sample was looked at: there may be more days.
    if (exact || progress === 0) return Number(await backend.strays(session))
  }
}

/** @returns rows that were moved */
async function drainDay(backend: StorageBackend, session: Session, day: TimeRange, say: (line: string) => void): Promise<number> {
  const { moved, made, blocked } = await backend.make(session, day)
  if (made.length > 0) say(`${dateOf(day.fromMs)}: ${whole(moved)} rows moved into ${made.join(', ')}`)
  for (const { why } of blocked) say(`${dateOf(day.fromMs)}: rows stay: ${why}`)
  return moved
}

function dateOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

function iso(ms: number): string | null {
  return Number.isFinite(ms) ? new Date(ms).toISOString() : null
}

/** Midnight needs no time. */
function minute(time: string | null): string {
  if (time === null) return '…'
  return time.endsWith('T00:00:00.000Z') ? time.slice(0, 10) : `${time.slice(0, 10)} ${time.slice(11, 16)}`
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1_048_576).toLocaleString('en-US', { minimumFractionDigits: 1, maximumFractionDigits: 1 })} MiB`
}
