import type { FleetStats } from '../fleet/fleet-stats.ts'
import { type GroupPartitionLag, lagByGroup } from '../lag/lag-table.ts'
import { byLabel, type MetricSample, total } from './prometheus-text.ts'
import type { Figures } from './rates.ts'

/**
 * A cumulative figure: undefined if the part could not be asked, null if it does not count
 * such things.
 */
export type Figure = number | undefined | null

/** A step of the line, with what has passed it so far. */
export interface Hop {
  readonly name: string
  readonly does: string
  readonly frames: Figure
  readonly rows: Figure
  readonly readings: Figure
}

/** The line at one moment. */
export interface Snapshot {
  readonly atMs: number
  /** Undefined if no fleet belongs to it. */
  readonly devices: { readonly wanted: number; readonly connected: number | undefined } | undefined
  readonly hops: readonly Hop[]
  /** What became of the rows, as counted in the transactions that wrote them. */
  readonly stored: StoredRows | undefined
  readonly lags: readonly { readonly group: string; readonly lag: bigint | undefined }[]
  readonly deadLetters: readonly DeadLetters[]
  readonly problems: readonly { readonly part: string; readonly problem: string }[]
}

/** What became of the rows that the store was given: each counts once. */
export interface StoredRows {
  /** Rows in the table. */
  readonly rows: number
  /**
   * Rows that added a quantity to one of these, that had nothing new, and that had another value.
   */
  readonly merged: number
  readonly repeated: number
  readonly conflicts: number
}

/** All rows that the store has done with. */
export function handledRows({ rows, merged, repeated, conflicts }: StoredRows): number {
  return rows + merged + repeated + conflicts
}

export interface DeadLetters {
  readonly topic: string
  /** All that the topic was ever sent. */
  readonly deadLetters: bigint | undefined
  /** Since the service was started. */
  readonly reasons: ReadonlyMap<string, number>
}

/** A service and what it says of itself. Undefined: it could not be asked. */
export interface ServiceReport {
  readonly metrics: readonly MetricSample[] | undefined
  readonly problems: ReadonlyMap<string, string> | undefined
}

/** Where the figures come from. None of them rejects: what cannot be asked is undefined. */
export interface StatusSources {
  /** Processors between bridge and store, in order: each is a consumer group, like the store. */
  readonly processors: readonly string[]
  readonly service: (name: string) => Promise<ServiceReport>
  readonly lags: () => Promise<readonly GroupPartitionLag[] | undefined>
  /** How many records each dead-letter topic was ever sent. */
  readonly deadLetters: () => Promise<ReadonlyMap<string, bigint> | undefined>
  readonly stored: () => Promise<StoredRows | undefined>
  /** The simulated fleets that belong to this run. */
  readonly fleet?: { readonly devices: number; readonly stats: () => FleetStats | undefined }
}

/** Looks at every part at once. */
export async function observe(sources: StatusSources, atMs: number): Promise<Snapshot> {
  const names = ['bridge', ...sources.processors, 'store']
  const [lags, deadLetters, stored, ...reports] = await Promise.all([
    sources.lags(),
    sources.deadLetters(),
    sources.stored(),
    ...names.map((name) => sources.service(name)),
  ])
  const report = (name: string): ServiceReport => reports[names.indexOf(name)] ?? { metrics: undefined, problems: undefined }
  const sums = lags === undefined ? undefined : lagByGroup(lags)
  const stats = sources.fleet?.stats()
  return {
    atMs,
    devices: sources.fleet === undefined ? undefined : { wanted: sources.fleet.devices, connected: stats?.connected },
    hops: [...(sources.fleet === undefined ? [] : fleetHops(stats)), ...names.map((name) => hop(name, report(name), stored))],
    stored,
    lags: names.slice(1).map((group) => ({ group, lag: sums?.get(group) ?? undefined })),
    deadLetters: names.map((name) => ({
      topic: `${name}.dead`,
      deadLetters: deadLetters?.get(`${name}.dead`),
      reasons: byLabel(report(name).metrics ?? [], `${prefix(name)}_rejected_total`, 'reason'),
    })),
    problems: names.flatMap((part) => problems(part, report(part))),
  }
}

/** The snapshot's cumulative figures by hop and kind, for rates. */
export function figures({ hops }: Snapshot): Figures {
  return new Map(
    hops.flatMap(({ name, frames, rows, readings }) =>
      Object.entries({ frames, rows, readings }).map(([kind, value]) => [`${name} ${kind}`, value ?? undefined] as const),
    ),
  )
}

function fleetHops(stats: FleetStats | undefined): readonly Hop[] {
  return [
    { name: 'fleet', does: 'sent', frames: stats?.sealed, rows: stats?.samples, readings: stats?.readings },
    { name: 'broker', does: 'acknowledged', frames: stats?.acked, rows: stats?.acked_samples, readings: null },
  ]
}

function hop(name: string, { metrics }: ServiceReport, stored: StoredRows | undefined): Hop {
  const figure = (suffix: string): number | undefined =>
    metrics === undefined ? undefined : total(metrics, `${prefix(name)}_${suffix}_total`)
  switch (name) {
    case 'bridge': {
      const [frames, json] = [figure('frames'), figure('json')]
      return { name, does: 'forwarded', frames: frames === undefined ? undefined : frames + (json ?? 0), rows: null, readings: null }
    }
    case 'store':
      return { name, does: 'committed', frames: figure('records'), rows: stored?.rows, readings: figure('readings') }
    default:
      return { name, does: 'processed', frames: figure('records'), rows: null, readings: null }
  }
}

function problems(part: string, report: ServiceReport): Snapshot['problems'] {
  if (report.problems === undefined) return [{ part, problem: 'does not answer' }]
  return [...report.problems].map(([what, problem]) => ({ part, problem: `${what}: ${problem}` }))
}

function prefix(name: string): string {
  return `millrace_${name.replaceAll('-', '_')}`
}
