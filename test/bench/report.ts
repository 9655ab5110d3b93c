import { decimal, whole } from '../../ops/figures.ts'
import { table } from '../../ops/text-table.ts'
import type { CopyLimit } from './copy-limit.ts'
import type { Exactness, Latency } from './ledgers.ts'
import type { LoadResult } from './load.ts'
import { FLOOR_RATE, type Profile } from './profile.ts'

/** Everything that a profile's run found out. */
export interface Findings {
  readonly profile: Profile
  /** The highest rate that was sustained; undefined if none was. */
  readonly best: LoadResult | undefined
  readonly copy: CopyLimit | undefined
  readonly latencyLoad: LoadResult
  readonly latency: Latency | undefined
  readonly exactness: Exactness
}

/** One profile of latest.json. */
export interface Summary {
  readonly profile: string
  readonly seconds: number
  readonly readings_per_second: number | null
  /** A message is a frame, or JSON: profile json. */
  readonly messages_per_second: number | null
  readonly bytes_per_message: number
  readonly latency_p50_ms: number | null
  readonly latency_p99_ms: number | null
  /** Below 104,167 where the line does not sustain that with this profile. */
  readonly latency_at_readings_per_second: number
  readonly rows: number
  readonly lost: number
  readonly doubled: number
  readonly copy_readings_per_second: number | null
  readonly ratio: number | null
  readonly cpu_seconds_by_process: Readonly<Record<string, number>>
  /** Microseconds of CPU for each message that was published. */
  readonly cpu_us_per_message_by_process: Readonly<Record<string, number>>
  readonly peak_rss_mb_by_process: Readonly<Record<string, number>>
}

/**
 * latest.json: the first profile's figures at the top, and those of every profile that ran under
 * its name.
 */
export interface Latest extends Summary {
  readonly at: string
  readonly profiles: Readonly<Record<string, Summary>>
}

export function summarise({ profile, best, copy, latencyLoad, latency, exactness }: Findings): Summary {
  const load = best ?? latencyLoad
  const copied = copy === undefined ? null : copy.rowsPerSecond * profile.quantities
  const reached = best === undefined ? null : best.stats.readings / best.seconds
  return {
    profile: profile.name,
    seconds: load.seconds,
    readings_per_second: reached === null ? null : Math.round(reached),
    messages_per_second: best === undefined ? null : Math.round(best.stats.sealed / best.seconds),
    bytes_per_message: rounded(load.stats.bytes / load.stats.sealed, 1),
    latency_p50_ms: latency === undefined ? null : rounded(latency.p50Ms, 1),
    latency_p99_ms: latency === undefined ? null : rounded(latency.p99Ms, 1),
    latency_at_readings_per_second: latencyLoad.rate,
    rows: exactness.rows,
    lost: exactness.lost,
    doubled: exactness.doubled,
    copy_readings_per_second: copied === null ? null : Math.round(copied),
    ratio: reached === null || copied === null ? null : rounded(reached / copied, 3),
    cpu_seconds_by_process: Object.fromEntries([...load.use].map(([name, { cpuSeconds }]) => [name, rounded(cpuSeconds, 2)])),
    cpu_us_per_message_by_process: Object.fromEntries(
      [...load.use].map(([name, { cpuSeconds }]) => [name, rounded((cpuSeconds * 1e6) / load.usedMessages, 1)]),
    ),
    peak_rss_mb_by_process: Object.fromEntries([...load.use].map(([name, { peakMb }]) => [name, Math.round(peakMb)])),
  }
}

export function latest(summaries: readonly [Summary, ...Summary[]], at: string): Latest {
  return { ...summaries[0], at, profiles: Object.fromEntries(summaries.map((summary) => [summary.profile, summary])) }
}

/** The table for people. */
export function renderReport(summary: Summary, { says, message }: Profile): readonly string[] {
  const rate = summary.readings_per_second
  const facts: readonly (readonly [string, string, string])[] = [
    ['highest sustained rate', orNone(rate), 'readings/s'],
    ['', orNone(summary.messages_per_second), `${message}s/s of ${decimal(summary.bytes_per_message, 0)} bytes`],
    ['', rate === null ? 'none' : decimal((rate * 86_400) / 1e9, 1), 'billion readings a day'],
    ['raw binary COPY', orNone(summary.copy_readings_per_second), 'readings/s, the same rows into the same table'],
    ['ratio to raw COPY', summary.ratio === null ? 'none' : decimal(summary.ratio, 2), ''],
    [
      'latency, median',
      orNone(summary.latency_p50_ms),
      `ms from publication to commit, at ${whole(summary.latency_at_readings_per_second)} readings/s`,
    ],
    ['latency, 99 %', orNone(summary.latency_p99_ms), 'ms'],
    ['rows', whole(summary.rows), 'in all loads together'],
    ['lost', whole(summary.lost), 'rows'],
    ['doubled', whole(summary.doubled), 'rows'],
  ]
  const total = Object.values(summary.cpu_seconds_by_process).reduce((sum, seconds) => sum + seconds, 0)
  const perMessage = Object.values(summary.cpu_us_per_message_by_process).reduce((sum, us) => sum + us, 0)
  const processes = Object.entries(summary.cpu_seconds_by_process)
    .toSorted(([, a], [, b]) => b - a)
    .map(([name, seconds]) => [
      name,
      decimal(seconds, 1),
      decimal(seconds / summary.seconds, 2),
      `${decimal((100 * seconds) / total, 0)} %`,
      decimal(summary.cpu_us_per_message_by_process[name] ?? 0, 1),
      whole(summary.peak_rss_mb_by_process[name]),
    ])
  return [
    `profile ${summary.profile}: ${says}, ${whole(summary.seconds)} s`,
    ...table(facts, ['left', 'right', 'left']).map((line) => `  ${line}`),
    '',
    ...table(
      [
        ['process', 'CPU s', 'cores', 'share', `us a ${message}`, 'peak MB'],
        ...processes,
        ['all', decimal(total, 1), decimal(total / summary.seconds, 2), '', decimal(perMessage, 1), ''],
      ],
      ['left', 'right', 'right', 'right', 'right', 'right'],
    ).map((line) => `  ${line}`),
    ...remarks(summary).flatMap((remark) => ['', `  ${remark}`]),
  ]
}

function remarks({ readings_per_second: rate, latency_at_readings_per_second: latencyRate }: Summary): readonly string[] {
  const floor = `the floor of ${whole(FLOOR_RATE)} readings/s`
  if (rate === null || rate < FLOOR_RATE) return [`${floor} is not sustained with this profile`]
  return latencyRate < FLOOR_RATE ? [`latency is that of four fifths of the highest rate: ${floor} is nearer to it`] : []
}

function orNone(value: number | null): string {
  return value === null ? 'none' : whole(value)
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
