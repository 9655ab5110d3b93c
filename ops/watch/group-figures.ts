import type { GroupReport, LagReport } from '../lag/lag-watch.ts'
import { type Figure, figure } from './metrics.ts'

/** In Burrow's words. */
export const STATUSES = ['OK', 'WARN', 'STALL', 'STOP', 'UNKNOWN'] as const
export type Status = (typeof STATUSES)[number]

/** How a group gets on, for who knows Burrow. */
export function statusOf({ state, members }: Pick<GroupReport, 'state' | 'members'>): Status {
  if (members === 0) return 'STOP'
  switch (state) {
    case 'idle':
    case 'following':
    case 'catching up':
      return 'OK'
    case 'steady':
    case 'falling behind':
      return 'WARN'
    case 'stalled':
      return 'STALL'
    case 'unknown':
      return 'UNKNOWN'
  }
}

/** The figures of a look at the groups. What is not known is NaN, as kafka-lag-exporter has it. */
export function groupFigures({ groups }: Pick<LagReport, 'groups'>, cluster: string): readonly Figure[] {
  const ends = new Map<string, Figure>()
  const figures = groups.flatMap((report) => {
    for (const { topic, partition, end } of report.partitions)
      ends.set(`${topic}/${partition}`, figure('kafka_partition_latest_offset', [cluster, topic, String(partition)], Number(end)))
    return ofGroup(report, cluster)
  })
  return [...figures, ...ends.values()]
}

function ofGroup(report: GroupReport, cluster: string): readonly Figure[] {
  const { group, partitions, lag, timeLagSeconds, members, catchUpSeconds } = report
  const status = statusOf(report)
  const topics = [...new Set(partitions.map(({ topic }) => topic))]
  return [
    ...partitions.flatMap((each) => {
      const place = [cluster, group, each.topic, String(each.partition)]
      return [
        ...(each.committed === null ? [] : [figure('kafka_consumergroup_group_offset', place, Number(each.committed))]),
        figure('kafka_consumergroup_group_lag', place, number(each.lag)),
        figure('kafka_consumergroup_group_lag_seconds', place, number(each.timeLagSeconds)),
      ]
    }),
    figure('kafka_consumergroup_group_max_lag', [cluster, group], Math.max(0, ...partitions.map((each) => number(each.lag)))),
    figure('kafka_consumergroup_group_max_lag_seconds', [cluster, group], number(timeLagSeconds)),
    figure('kafka_consumergroup_group_sum_lag', [cluster, group], number(lag)),
    ...topics.map((topic) => {
      const lags = partitions.filter((each) => each.topic === topic).map((each) => number(each.lag))
      return figure(
        'kafka_consumergroup_group_topic_sum_lag',
        [cluster, group, topic],
        lags.reduce((sum, each) => sum + each, 0),
      )
    }),
    figure('millrace_group_members', [group], number(members)),
    figure('millrace_group_catch_up_seconds', [group], number(catchUpSeconds)),
    ...STATUSES.map((each) => figure('millrace_group_status', [group, each], each === status ? 1 : 0)),
  ]
}

function number(value: bigint | number | undefined): number {
  return value === undefined ? Number.NaN : Number(value)
}
