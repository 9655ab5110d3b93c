import { setTimeout as delay } from 'node:timers/promises'
import { ConnectorError } from '../../connectors/contract.ts'
import { type ArchivedDay, archivedDays, isInArchive } from '../../connectors/postgres/archived-days.ts'
import type { StorageBackend } from '../../connectors/postgres/backend.ts'
import { dayOf } from '../../connectors/postgres/days.ts'
import { type ApplyOptions, applyDay } from '../../connectors/postgres/recompute-apply.ts'
import { type CompareOptions, compareDay, noteUnbacked } from '../../connectors/postgres/recompute-compare.ts'
import { noteRestored, planDays, recomputeDays } from '../../connectors/postgres/recompute-log.ts'
import {
  droppedDays,
  emptyNotes,
  quantityColumns,
  recomputedDays,
  recomputedQuantities,
  type Scope,
} from '../../connectors/postgres/recompute-shadow.ts'
import type { Session } from '../../connectors/postgres/session.ts'
import { dateOf } from '../../processors/store/archive-plan.ts'
import { DAY_MS, dayRange, overlaps } from '../../processors/store/time-ranges.ts'
import { loadArchivedDays } from './archived-rows.ts'
import { type RecomputeReport, ReportSum } from './report.ts'

/** The days (UTC) of a span that may have rows, as in 2026-11-23. */
interface SpanDays {
  readonly days: readonly string[]
  readonly archived: readonly ArchivedDay[]
  /** Days whose rows went by retention. */
  readonly dropped: readonly string[]
}

export interface DaysOptions {
  readonly session: Session
  readonly backend: StorageBackend
  readonly scope: Scope
  /** Of the AWS SDK, if the archive is a bucket. */
  readonly env: NodeJS.ProcessEnv
}

async function spanDays({ session, backend, scope }: Omit<DaysOptions, 'env'>): Promise<SpanDays> {
  const archived = (await archivedDays(session)).filter((each) => isInArchive(each) && overlaps(dayRange(numberOf(each.day)), scope))
  const inArchive = new Set(archived.map(({ day }) => day))
  const days = new Set([...inArchive, ...(await recomputedDays(session, scope))])
  const add = (day: number): void => void (overlaps(dayRange(day), scope) && days.add(dateOf(dayRange(day).fromMs)))
  for (const { fromMs, toMs } of await backend.list(session))
    for (let day = dayOf(Math.max(fromMs, scope.fromMs)); day * DAY_MS < Math.min(toMs, scope.toMs); day++) add(day)
  for (const { day } of (await backend.strayDays(session)).days) if (day !== null) add(day)
  const gone = await droppedDays(session)
  const isDropped = (day: string): boolean => gone.has(day) && !inArchive.has(day)
  const all = [...days].sort()
  return { days: all.filter((day) => !isDropped(day)), archived, dropped: all.filter(isDropped) }
}

/** Days since 1970. */
function numberOf(day: string): number {
  return dayOf(Date.parse(`${day}T00:00:00Z`))
}

/** What the comparison of each day needs. Rows of archived days are loaded for it. */
async function comparable(options: DaysOptions): Promise<SpanDays & { readonly of: (day: string) => CompareOptions }> {
  const { session, scope, env } = options
  const found = await spanDays(options)
  const columns = await quantityColumns(session)
  const recomputed = await recomputedQuantities(session)
  await loadArchivedDays(session, scope, found.archived, env)
  const archived = new Set(found.archived.map(({ day }) => day))
  return { ...found, of: (day) => ({ scope, day: numberOf(day), archived: archived.has(day), columns, recomputed }) }
}

/** Notes what the rows of the span have that no recomputed row has. */
export async function noteUnbackedDays(options: DaysOptions): Promise<void> {
  await emptyNotes(options.session, 'all')
  const { days, of } = await comparable(options)
  for (const day of days) await noteUnbacked(options.session, of(day))
}

/** What differs between the rows as they are and as they are recomputed. */
export async function compareDays(options: DaysOptions, progress: (done: number) => void): Promise<RecomputeReport> {
  await emptyNotes(options.session, 'archived')
  const { days, dropped, of } = await comparable(options)
  const sum = new ReportSum()
  for (const [index, day] of days.entries()) {
    const compared = of(day)
    sum.add(day, compared.archived, await compareDay(options.session, compared))
    progress((index + 1) / days.length)
  }
  return sum.report(dropped)
}

export interface ApplyDaysOptions
  extends Pick<DaysOptions, 'session' | 'backend' | 'scope'>,
    Pick<ApplyOptions, 'run' | 'unbacked' | 'rollups'> {
  /** Brings an archived day back into the table. */
  readonly restore: (day: string) => Promise<void>
  readonly signal: AbortSignal
  readonly progress: (done: number) => void
}

/** A transaction that met another one is tried again, so often. */
const ATTEMPTS = 5
const PAUSE_MS = 500

/** The days of a report that change. */
export async function planChanges(
  session: Session,
  run: bigint,
  { days }: RecomputeReport,
  unbacked: ApplyOptions['unbacked'],
): Promise<void> {
  const changing = days.filter((day) => day.changed + day.added > 0 || unbacked !== 'none')
  await planDays(
    session,
    run,
    changing.map(({ day }) => day),
  )
}

/**
 * Replaces the rows of the planned days, each in a transaction of its own. Those that are replaced
 * already are left alone, so that a run that was killed goes on. Ends early on abort.
 */
export async function applyDays(options: ApplyDaysOptions): Promise<void> {
  const { session, backend, scope, run, restore, signal } = options
  const columns = await quantityColumns(session)
  const recomputed = await recomputedQuantities(session)
  const planned = await recomputeDays(session, run)
  for (const [index, { day, applied, restored }] of planned.entries()) {
    if (signal.aborted) return
    options.progress(index / planned.length)
    if (applied) continue
    const inArchive = (await archivedDays(session)).some((each) => each.day === day && isInArchive(each))
    if (inArchive) {
      await noteRestored(session, run, day)
      await restore(day)
    }
    await backend.ensureDays(session, [numberOf(day)])
    await patiently(session, { ...options, scope, day: numberOf(day), date: day, columns, recomputed, restored: restored || inArchive })
  }
}

/** Others may lock rows of the day, or the transaction of somebody else may meet this one. */
async function patiently(session: Session, options: ApplyOptions): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await applyDay(session, options)
      return
    } catch (error) {
      if (session.lost) throw error
      await session.script('leaving what failed', 'ROLLBACK')
      if (!(error instanceof ConnectorError && error.transient) || attempt === ATTEMPTS) throw error
    }
    await delay(PAUSE_MS * attempt)
  }
}
