import type { MoveSettings } from './table-move.ts'

/** So long before the cut the check is made anew with a later one: writers' rows must pass it. */
export const LEAST_AHEAD_MS = 2 * 3_600_000

/** What there is of the migration of a table, as the catalogue and its note say. */
export interface MoveProgress {
  /** The index of the key: `needless` if there is none to build. */
  readonly index: 'needless' | 'absent' | 'invalid' | 'ready'
  readonly check: 'absent' | 'added' | 'validated'
  readonly swapped: boolean
  /** Copy: the new table is there, with what doubles writes into it. */
  readonly doubled: boolean
  readonly copied: boolean
  readonly compared: boolean
  /** What comes after the swap. */
  readonly done: readonly string[]
}

/** Steps of the two ways, in their order. Each can be repeated. */
export const ATTACH_STEPS = ['index', 'check', 'validate', 'swap', 'days', 'analyze', 'rollups'] as const
export const COPY_STEPS = ['index', 'double', 'copy', 'compare', 'swap', 'analyze'] as const
export type StepName = (typeof ATTACH_STEPS)[number] | (typeof COPY_STEPS)[number]

/** The steps that remain. */
export function stepsLeft(settings: MoveSettings, progress: MoveProgress, nowMs: number): readonly StepName[] {
  const { target, way, cutMs, cutGiven } = settings
  const expiring = !cutGiven && cutMs - nowMs < LEAST_AHEAD_MS
  const before: Readonly<Partial<Record<StepName, boolean>>> = {
    index: progress.index === 'absent' || progress.index === 'invalid',
    check: progress.check === 'absent' || expiring,
    validate: progress.check !== 'validated' || expiring,
    double: !progress.doubled,
    copy: !progress.copied,
    compare: !progress.compared,
    swap: true,
  }
  const after: Readonly<Partial<Record<StepName, boolean>>> = {
    // Days go by: those of a table that keeps itself are made at each run.
    days: target === 'own' && way === 'attach',
    analyze: !progress.done.includes('analyze'),
    // Copied rows are marked as they are copied.
    rollups: target === 'readings' && way === 'attach' && !progress.done.includes('rollups'),
  }
  const steps: readonly StepName[] = way === 'attach' ? ATTACH_STEPS : COPY_STEPS
  return steps.filter((name) => (progress.swapped ? after[name] === true : (before[name] ?? after[name]) === true))
}
