import type { DeclaredService } from '../../processors/declaration.ts'
import { deadTopic } from '../../processors/topics.ts'
import type { MetricName } from '../../services/metrics.ts'
import type { FleetStats } from '../fleet/fleet-stats.ts'
import { type GroupPartitionLag, lagByGroup } from '../lag/lag-table.ts'
import { byLabel, total } from './prometheus-text.ts'
import type { Figures } from './rates.ts'
import type { ServiceReport } from './service-report.ts'

/**
 * A cumulative figure. Undefined if the part could not be asked, null if it does not count this.
 */
export type Figure = number | undefined | null

/** A step of the line, with what has passed it so far. */
export interface Hop {
  readonly name: string
  readonly does: string
  readonly frames: Figure
  readonly rows: Figure
  readonly readings: Figure
  /** Which of them tells of it where there is room for one. */
  readonly foremost: 'frames' | 'rows' | 'readings'
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
   * Rows that added a quantity to one of these; rows that had nothing new; rows that had another
   * value.
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

/** What the status has to know of a service. */
export type StatusService = Pick<DeclaredService, 'kind' | 'name' | 'reads' | 'reasons'>

/**
 * Where the figures come from. None of them rejects: if a part cannot be asked, its figure is
 * undefined.
 */
export interface StatusSources {
  /** Of the line, in order. */
  readonly services: readonly StatusService[]
  readonly service: (name: string) => Promise<ServiceReport>
  readonly lags: () => Promise<readonly GroupPartitionLag[] | undefined>
  /** How many records each dead-letter topic was ever sent. */
  readonly deadLetters: () => Promise<ReadonlyMap<string, bigint> | undefined>
  readonly stored: () => Promise<StoredRows | undefined>
  /** The simulated fleets that belong to this run. */
  readonly fleet?: { readonly devices: number; readonly stats: () => FleetStats | undefined }
}

const REJECTED: MetricName = 'millrace_rejected_total'
const FORWARDED: MetricName = 'millrace_forwarded_messages_total'

/** Looks at every part at once. */
export async function observe(sources: StatusSources, atMs: number): Promise<Snapshot> {
  const { services } = sources
  const [lags, deadLetters, stored, ...reports] = await Promise.all([
    sources.lags(),
    sources.deadLetters(),
    sources.stored(),
    ...services.map(({ name }) => sources.service(name)),
  ])
  const asked = services.map((service, index) => [service, reports[index] as ServiceReport] as const)
  const sums = lags === undefined ? undefined : lagByGroup(lags)
  const stats = sources.fleet?.stats()
  return {
    atMs,
    devices: sources.fleet === undefined ? undefined : { wanted: sources.fleet.devices, connected: stats?.connected },
    hops: [...(sources.fleet === undefined ? [] : fleetHops(stats)), ...asked.map(([service, report]) => hop(service, report, stored))],
    stored,
    lags: services.filter(({ reads }) => reads.length > 0).map(({ name: group }) => ({ group, lag: sums?.get(group) ?? undefined })),
    deadLetters: asked.flatMap(([{ name, reasons }, { metrics = [] }]) => {
      const topic = deadTopic(name)
      const given = byLabel(metrics, REJECTED, 'reason')
      return reasons === undefined ? [] : [{ topic, deadLetters: deadLetters?.get(topic), reasons: given }]
    }),
    problems: asked.flatMap(([{ name }, report]) => problems(name, report)),
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
    { name: 'fleet', does: 'sent', frames: stats?.sealed, rows: stats?.samples, readings: stats?.readings, foremost: 'frames' },
    { name: 'broker', does: 'acknowledged', frames: stats?.acked, rows: stats?.acked_samples, readings: null, foremost: 'frames' },
  ]
}

function hop({ kind, name }: StatusService, { metrics }: ServiceReport, stored: StoredRows | undefined): Hop {
  const figure = (metric: MetricName): number | undefined => (metrics === undefined ? undefined : total(metrics, metric))
  switch (kind) {
    case 'bridge': {
      const forwarded = byLabel(metrics ?? [], FORWARDED, 'kind')
      const [frames, raw] = [forwarded.get('frame'), forwarded.get('raw')]
      return {
        name,
        does: 'forwarded',
        frames: frames === undefined ? undefined : frames + (raw ?? 0),
        rows: null,
        readings: null,
        foremost: 'frames',
      }
    }
    case 'store':
      return {
        name,
        does: 'committed',
        frames: figure('millrace_records_total'),
        rows: stored?.rows,
        readings: figure('millrace_readings_total'),
        foremost: 'rows',
      }
    default:
      return { name, does: 'processed', frames: figure('millrace_records_total'), rows: null, readings: null, foremost: 'frames' }
  }
}

function problems(part: string, report: ServiceReport): Snapshot['problems'] {
  if (report.problems === undefined) return [{ part, problem: 'does not answer' }]
  return [...report.problems].map(([what, problem]) => ({ part, problem: `${what}: ${problem}` }))
}
