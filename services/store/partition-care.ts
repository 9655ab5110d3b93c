import type { Clock } from '../../connectors/clock.ts'
import type { Log } from '../../connectors/contract.ts'
import type { Blocked, StorageBackend, Strays } from '../../connectors/postgres/backend.ts'
import { databaseTime } from '../../connectors/postgres/clock.ts'
import type { Database } from '../../connectors/postgres/database.ts'
import type { Session } from '../../connectors/postgres/session.ts'
import {
  byDay,
  clockFault,
  daysReady,
  type PartitionPlan,
  type PartitionSettings,
  planPartitions,
} from '../../processors/store/partition-plan.ts'
import { dayRange } from '../../processors/store/time-ranges.ts'
import { repeated } from '../process/repeated.ts'

export interface PartitionCareOptions {
  /** Of the care alone: it holds an advisory lock in its session. */
  readonly database: Database
  readonly backend: (session: Session) => Promise<StorageBackend>
  readonly settings: PartitionSettings
  readonly clock: Clock
  /** What time it is for the database; a test moves it along with the clock. */
  readonly databaseMs?: (session: Session) => Promise<number>
  readonly log: Log
  /** Health, by part: null while all is well. */
  readonly problem: (part: 'partitions' | 'strays', what: string | null) => void
}

/** What was done in this process, and what the last look showed: NaN before the first one. */
export interface CareFigures {
  readonly made: number
  readonly dropped: number
  readonly movedRows: number
  readonly droppedRows: number
  readonly failures: number
  readonly strayRows: number
  readonly strayDays: number
  readonly daysReady: number
}

export interface PartitionCare extends AsyncDisposable {
  figures(): CareFigures
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

const EVERY_MS = 300_000
/** Days that health names; the others are counted. */
const DAYS_NAMED = 10
const LOCK = "hashtextextended('millrace partition care', 0)"

/**
 * Keeps the partitions of `readings`, at once and every 5 minutes: makes those of the next days,
 * drops what retention lets go, and looks whether rows lie outside. Of several instances one works
 * and all look. An error stops nothing: it is counted, health says it, and the next pass tries
 * again.
 */
export function keepPartitions(options: PartitionCareOptions): PartitionCare {
  const { database, clock, log, problem } = options
  const figures: Mutable<CareFigures> = {
    made: 0,
    dropped: 0,
    movedRows: 0,
    droppedRows: 0,
    failures: 0,
    strayRows: Number.NaN,
    strayDays: Number.NaN,
    daysReady: Number.NaN,
  }
  const running = repeated({
    doing: 'keeping the partitions of readings',
    everyMs: EVERY_MS,
    clock,
    log,
    problem: (what) => {
      if (what !== null) figures.failures++
      // A pass that went through has said itself what is wrong.
      if (what !== null) problem('partitions', what)
    },
    async work(signal) {
      const problems = await database.use((session) => pass(session, options, figures, signal))
      problem('partitions', problems.length === 0 ? null : problems.join('; '))
      return false
    },
  })
  return { figures: () => figures, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() }
}

/** @returns what is wrong */
async function pass(
  session: Session,
  options: PartitionCareOptions,
  figures: Mutable<CareFigures>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { settings, clock, log, problem, databaseMs = databaseTime } = options
  const backend = await options.backend(session)
  const problems: string[] = []
  const nowMs = clock.nowMs()
  const fault = clockFault({ nowMs, databaseMs: await databaseMs(session) })
  if (fault !== undefined) problems.push(fault)
  else if (await takeTurn(session)) {
    try {
      const plan = planPartitions(
        await backend.list(session),
        { ...settings, daysAhead: backend.prepares ? settings.daysAhead : -1 },
        nowMs,
      )
      await act(session, backend, plan, { figures, log, signal, problems })
      if (plan.leftAlone.length > 0)
        log.info('older than storage.retention_days, and left alone, for Millrace did not make them', {
          partitions: plan.leftAlone.map(({ name }) => name),
        })
    } finally {
      if (!session.lost) await session.script('ending a turn', `SELECT pg_advisory_unlock(${LOCK})`)
    }
  }
  const strays = await backend.strayDays(session)
  problem('strays', describeStrays(strays))
  figures.strayRows = strays.days.reduce((sum, { rows }) => sum + rows, 0)
  figures.strayDays = strays.days.length
  figures.daysReady = backend.prepares ? daysReady(await backend.list(session), nowMs) : settings.daysAhead
  return problems
}

interface Acting {
  readonly figures: Mutable<CareFigures>
  readonly log: Log
  readonly signal: AbortSignal
  readonly problems: string[]
}

/** Each step by itself: one that fails is named, and the others are done. */
async function act(
  session: Session,
  backend: StorageBackend,
  plan: PartitionPlan,
  { figures, log, signal, problems }: Acting,
): Promise<void> {
  const step = async (doing: string, work: () => Promise<void>): Promise<void> => {
    if (signal.aborted) return
    try {
      await work()
    } catch (error) {
      if (session.lost) throw error
      await session.script('leaving what failed', 'ROLLBACK')
      figures.failures++
      const cause = error instanceof Error ? error.message : String(error)
      log.warn(`${doing}: not possible now; the next pass tries again`, { cause })
      problems.push(`${doing}: ${cause}`)
    }
  }
  await step('finishing what a killed run left', async () => {
    for (const done of await backend.finish(session)) log.info(done)
  })
  for (const range of plan.make) {
    const failures = figures.failures
    await step(`making a partition for ${dateOf(range.fromMs)}`, async () => {
      const { made, moved, blocked } = await backend.make(session, range)
      figures.made += made.length
      figures.movedRows += moved
      if (made.length > 0) log.info('made partitions', { partitions: made, movedRows: moved })
      problems.push(...blocked.map(describeBlocked))
    })
    // Whoever is in the way is in the way of the others too.
    if (figures.failures > failures) break
  }
  for (const day of byDay(plan.drop)) {
    const names = day.map(({ name }) => name)
    await step(`dropping ${names.join(', ')}`, async () => {
      await backend.drop(session, day)
      figures.dropped += day.length
      log.info('dropped partitions older than storage.retention_days', { partitions: names })
    })
  }
  const { columnstoreMs } = plan
  if (columnstoreMs !== undefined)
    await step('compressing old chunks', async () => {
      const result = await backend.compress(session, columnstoreMs)
      if (result.tag === 'not offered') problems.push(`storage.columnstore_after_days: ${result.why}`)
      else if (result.chunks > 0) log.info('compressed chunks older than storage.columnstore_after_days', { chunks: result.chunks })
    })
  await step('dropping old rows of the default partition', async () => {
    const rows = await backend.dropStrays(session, plan.cutoffMs)
    figures.droppedRows += rows
    if (rows > 0) log.info('dropped rows of the default partition older than storage.retention_days', { rows })
  })
}

async function takeTurn(session: Session): Promise<boolean> {
  const [row] = await session.query<{ mine: boolean }>('asking for the turn', `SELECT pg_try_advisory_lock(${LOCK}) AS mine`)
  return row?.mine === true
}

export function describeBlocked({ range, why }: Blocked): string {
  return `${dateOf(range.fromMs)}: ${why}`
}

/** Null if there are none. */
export function describeStrays({ days, exact }: Strays): string | null {
  if (days.length === 0) return null
  const rows = days.reduce((sum, each) => sum + each.rows, 0)
  const named = days
    .slice(0, DAYS_NAMED)
    .map(({ day, rows: count }) => `${day === null ? 'no day' : dateOf(dayRange(day).fromMs)}: ${count}`)
  if (days.length > DAYS_NAMED) named.push(`${days.length - DAYS_NAMED} more days`)
  return `${exact ? '' : 'about '}${rows} rows lie in the default partition (${named.join(', ')}): \`millrace partitions drain\` gives them partitions`
}

function dateOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}
