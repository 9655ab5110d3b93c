import { expect } from 'chai'
import { groupLines, lagByGroup, lagJson, partitionLines } from './lag-table.ts'
import type { LagReport } from './lag-watch.ts'

const idle = { lag: 0n, timeLagSeconds: 0, in: 0, out: 0, state: 'idle', catchUpSeconds: 0 } as const
const stalled = { lag: 40_123n, timeLagSeconds: 135, in: 1_000, out: 0, state: 'stalled', catchUpSeconds: undefined } as const
const unknown = {
  lag: undefined,
  timeLagSeconds: undefined,
  in: undefined,
  out: undefined,
  state: 'unknown',
  catchUpSeconds: undefined,
} as const
const report: LagReport = {
  atMs: Date.UTC(2026, 10, 30, 12),
  groups: [
    {
      members: 1,
      group: 'standardise',
      ...idle,
      causes: [],
      partitions: [{ topic: 'telemetry.frames', partition: 0, committed: 6n, end: 6n, ...idle }],
    },
    {
      members: 1,
      group: 'store',
      ...stalled,
      causes: ['its transaction waits 12 s for a lock on readings that PID 7 (psql) holds'],
      partitions: [
        { topic: 'telemetry.readings', partition: 0, committed: null, end: 40_123n, ...stalled },
        { topic: 'telemetry.readings', partition: 1, committed: 9n, end: 8n, ...unknown },
      ],
    },
  ],
}

describe('the table of lags', () => {
  it('has a line for each group, with the reasons below it', () => {
    expect(groupLines(report)).to.deep.equal([
      'group           lag  time lag   in/s  out/s  state    caught up in',
      'standardise       0       0 s      0      0  idle',
      'store        40,123     2 min  1,000      0  stalled             ?',
      '  its transaction waits 12 s for a lock on readings that PID 7 (psql) holds',
    ])
  })

  it('has a line for each partition with something to read, or for all', () => {
    expect(partitionLines(report, 'behind')).to.deep.equal([
      'group  topic               partition  committed     end     lag  time lag   in/s  out/s  state    caught up in',
      'store  telemetry.readings          0          -  40,123  40,123     2 min  1,000      0  stalled             ?',
      'store  telemetry.readings          1          9       8       ?         ?      ?      ?  unknown             ?',
    ])
    expect(partitionLines(report, 'all')).to.have.length(4)
    expect(partitionLines({ ...report, groups: report.groups.slice(0, 1) }, 'behind')).to.deep.equal([])
  })

  it('is JSON with seconds, and null for what is not known', () => {
    expect(JSON.parse(JSON.stringify(lagJson(report)))).to.deep.include({ at: '2026-11-30T12:00:00.000Z' })
    expect(JSON.parse(JSON.stringify(lagJson(report))).groups[1].partitions[1]).to.deep.equal({
      topic: 'telemetry.readings',
      partition: 1,
      committed: 9,
      end: 8,
      lag: null,
      time_lag_seconds: null,
      in_per_second: null,
      out_per_second: null,
      state: 'unknown',
      catch_up_seconds: null,
    })
  })

  it('sums by group', () => {
    const of = (group: string, lag: bigint | null): Parameters<typeof lagByGroup>[0][number] => ({
      ...{ group, topic: 'a', partition: 0, committed: 0n, end: 9n },
      lag,
      gone: { tag: 'nothing' },
    })
    expect([...lagByGroup([of('a', 234n), of('a', 6n), of('b', null)])]).to.deep.equal([
      ['a', 240n],
      ['b', null],
    ])
  })
})
