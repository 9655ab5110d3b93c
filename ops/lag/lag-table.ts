import type { Gone } from '../../connectors/kafka/lag.ts'
import { decimal, whole } from '../figures.ts'
import { table } from '../text-table.ts'
import type { GroupReport, LagReport } from './lag-watch.ts'
import type { Trend } from './trend.ts'

/** How far a consumer group is behind on one partition. */
export interface GroupPartitionLag {
  readonly group: string
  readonly topic: string
  readonly partition: number
  /** Null if the group never committed. Then its lag counts from the earliest record. */
  readonly committed: bigint | null
  readonly end: bigint
  /**
   * Null if Kafka's log ends before what was committed. The consumer will find out where they part.
   */
  readonly lag: bigint | null
  /** What it can no longer read; `nothing` also if its offset could not be read. */
  readonly gone: Gone
}

const TREND_HEADINGS = ['lag', 'time lag', 'in/s', 'out/s', 'state', 'caught up in']
const TREND_ALIGNMENTS = ['right', 'right', 'right', 'right', 'left', 'right'] as const

/** Sum of the lags of each group, in order of appearance; null if one of them is not known. */
export function lagByGroup(lags: readonly GroupPartitionLag[]): ReadonlyMap<string, bigint | null> {
  const sums = new Map<string, bigint | null>()
  for (const { group, lag } of lags) {
    const sum = sums.get(group)
    sums.set(group, lag === null || sum === null ? null : (sum ?? 0n) + lag)
  }
  return sums
}

/** A line for each group, and below it why it is behind. */
export function groupLines({ groups }: LagReport): readonly string[] {
  const [heading = '', ...lines] = table(
    [['group', ...TREND_HEADINGS], ...groups.map((report) => [report.group, ...trendCells(report)])],
    ['left', ...TREND_ALIGNMENTS],
  )
  return [heading, ...groups.flatMap(({ causes }, index) => [lines[index] ?? '', ...causes.map((cause) => `  ${cause}`)])]
}

/** A line for each partition: of all, or of those on which something is left to read. */
export function partitionLines({ groups }: LagReport, which: 'all' | 'behind'): readonly string[] {
  const rows = groups.flatMap(({ group, partitions }) =>
    partitions
      .filter(({ lag }) => which === 'all' || lag !== 0n)
      .map((each) => [
        group,
        each.topic,
        String(each.partition),
        each.committed === null ? '-' : whole(each.committed),
        whole(each.end),
        ...trendCells(each),
      ]),
  )
  if (rows.length === 0) return []
  return table(
    [['group', 'topic', 'partition', 'committed', 'end', ...TREND_HEADINGS], ...rows],
    ['left', 'left', 'right', 'right', 'right', ...TREND_ALIGNMENTS],
  )
}

function trendCells({ lag, timeLagSeconds, in: incoming, out: outgoing, state, catchUpSeconds }: Trend): readonly string[] {
  return [whole(lag), age(timeLagSeconds), perSecond(incoming), perSecond(outgoing), state, lag === 0n ? '' : age(catchUpSeconds)]
}

function perSecond(rate: number | undefined): string {
  return rate !== undefined && rate > 0 && rate < 10 ? decimal(rate, 1) : whole(rate)
}

/** 0.4 s, 35 s, 12 min, 5 h, 3 d. */
function age(seconds: number | undefined): string {
  if (seconds === undefined) return '?'
  if (seconds === 0) return '0 s'
  if (seconds < 10) return `${decimal(seconds, 1)} s`
  if (seconds < 120) return `${whole(seconds)} s`
  if (seconds < 7_200) return `${whole(seconds / 60)} min`
  if (seconds < 172_800) return `${whole(seconds / 3_600)} h`
  return `${whole(seconds / 86_400)} d`
}

/** The report as JSON: names as in the table, seconds, null for what is not known. */
export function lagJson({ atMs, groups }: LagReport): object {
  return { at: new Date(atMs).toISOString(), groups: groups.map(groupJson) }
}

function groupJson({ group, members, causes, partitions, ...trend }: GroupReport): object {
  return {
    group,
    members: members ?? null,
    ...trendJson(trend),
    causes,
    partitions: partitions.map(({ topic, partition, committed, end, ...each }) => ({
      topic,
      partition,
      committed: committed === null ? null : Number(committed),
      end: Number(end),
      ...trendJson(each),
    })),
  }
}

function trendJson({ lag, timeLagSeconds, in: incoming, out: outgoing, state, catchUpSeconds }: Trend): object {
  return {
    lag: lag === undefined ? null : Number(lag),
    time_lag_seconds: timeLagSeconds ?? null,
    in_per_second: incoming ?? null,
    out_per_second: outgoing ?? null,
    state,
    catch_up_seconds: catchUpSeconds ?? null,
  }
}
