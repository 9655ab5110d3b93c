import { whole } from '../figures.ts'
import { table } from '../text-table.ts'

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
}

const HEADINGS = ['group', 'topic', 'partition', 'committed', 'end', 'lag']
const ALIGNMENTS = ['left', 'left', 'right', 'right', 'right', 'right'] as const

/** Sum of the lags of each group, in order of appearance; null if one of them is not known. */
export function lagByGroup(lags: readonly GroupPartitionLag[]): ReadonlyMap<string, bigint | null> {
  const sums = new Map<string, bigint | null>()
  for (const { group, lag } of lags) {
    const sum = sums.get(group)
    sums.set(group, lag === null || sum === null ? null : (sum ?? 0n) + lag)
  }
  return sums
}

/** Lines of the table: each partition, then each group's total. */
export function lagTable(lags: readonly GroupPartitionLag[]): readonly string[] {
  const groups = [...lagByGroup(lags).keys()]
  const inOrder = lags.toSorted(
    (a, b) => groups.indexOf(a.group) - groups.indexOf(b.group) || a.topic.localeCompare(b.topic) || a.partition - b.partition,
  )
  const partitions = inOrder.map(({ group, topic, partition, committed, end, lag }) => [
    group,
    topic,
    String(partition),
    committed === null ? '-' : whole(committed),
    whole(end),
    whole(lag ?? undefined),
  ])
  const totals = [...lagByGroup(lags)].map(([group, lag]) => [group, 'total', '', '', '', whole(lag ?? undefined)])
  return table([HEADINGS, ...partitions, ...totals], ALIGNMENTS)
}
