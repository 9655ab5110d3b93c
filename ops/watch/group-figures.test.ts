import { expect } from 'chai'
import type { GroupReport } from '../lag/lag-watch.ts'
import { groupFigures, statusOf } from './group-figures.ts'
import type { WatchMetricName } from './metrics.ts'

const unknown = {
  lag: undefined,
  timeLagSeconds: undefined,
  in: undefined,
  out: undefined,
  state: 'unknown',
  catchUpSeconds: undefined,
} as const
const idle = { lag: 0n, timeLagSeconds: 0, in: 0, out: 0, state: 'idle', catchUpSeconds: 0 } as const
const behind = { lag: 40n, timeLagSeconds: 12, in: 5, out: 0, state: 'stalled', catchUpSeconds: undefined } as const
const store: GroupReport = {
  group: 'store',
  members: 1,
  ...behind,
  causes: [],
  partitions: [
    { topic: 'r', partition: 0, committed: 10n, end: 50n, ...behind },
    { topic: 'r', partition: 1, committed: null, end: 7n, ...idle },
  ],
}

describe('figures of consumer groups', () => {
  const of = (report: GroupReport, wanted: WatchMetricName): readonly (readonly [string, number])[] =>
    groupFigures({ groups: [report] }, 'c')
      .filter(({ name }) => name === wanted)
      .map(({ values, value }) => [values.join(' '), value])

  it('have the labels and meanings of kafka-lag-exporter', () => {
    expect(of(store, 'kafka_consumergroup_group_lag')).to.deep.equal([
      ['c store r 0', 40],
      ['c store r 1', 0],
    ])
    expect(of(store, 'kafka_consumergroup_group_lag_seconds')).to.deep.equal([
      ['c store r 0', 12],
      ['c store r 1', 0],
    ])
    expect(of(store, 'kafka_consumergroup_group_offset')).to.deep.equal([['c store r 0', 10]])
    expect(of(store, 'kafka_consumergroup_group_max_lag')).to.deep.equal([['c store', 40]])
    expect(of(store, 'kafka_consumergroup_group_max_lag_seconds')).to.deep.equal([['c store', 12]])
    expect(of(store, 'kafka_consumergroup_group_sum_lag')).to.deep.equal([['c store', 40]])
    expect(of(store, 'kafka_consumergroup_group_topic_sum_lag')).to.deep.equal([['c store r', 40]])
    expect(of(store, 'kafka_partition_latest_offset')).to.deep.equal([
      ['c r 0', 50],
      ['c r 1', 7],
    ])
  })

  it('are NaN if a lag is not known, and not 0', () => {
    const away: GroupReport = {
      ...store,
      ...unknown,
      members: undefined,
      partitions: store.partitions.map((each) => ({ ...each, ...unknown })),
    }
    for (const name of [
      'kafka_consumergroup_group_lag',
      'kafka_consumergroup_group_lag_seconds',
      'kafka_consumergroup_group_max_lag',
      'kafka_consumergroup_group_max_lag_seconds',
      'kafka_consumergroup_group_sum_lag',
      'kafka_consumergroup_group_topic_sum_lag',
      'millrace_group_members',
      'millrace_group_catch_up_seconds',
    ] as const)
      for (const [labels, value] of of(away, name)) expect(value, `${name} ${labels}`).to.be.NaN
    expect(of(away, 'millrace_group_status')).to.deep.include(['store UNKNOWN', 1])
  })

  it('say that nobody runs a group whether or not something waits, and that one who runs reads nothing', () => {
    expect(statusOf({ state: 'idle', members: 0 })).to.equal('STOP')
    expect(statusOf({ state: 'stalled', members: 0 })).to.equal('STOP')
    expect(statusOf({ state: 'stalled', members: 2 })).to.equal('STALL')
    expect(statusOf({ state: 'stalled', members: undefined })).to.equal('STALL')
    expect(statusOf({ state: 'catching up', members: 1 })).to.equal('OK')
    expect(statusOf({ state: 'falling behind', members: 1 })).to.equal('WARN')
    expect(of(store, 'millrace_group_status')).to.deep.equal([
      ['store OK', 0],
      ['store WARN', 0],
      ['store STALL', 1],
      ['store STOP', 0],
      ['store UNKNOWN', 0],
    ])
  })
})
