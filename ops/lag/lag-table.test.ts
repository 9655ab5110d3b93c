import { expect } from 'chai'
import { lagByGroup, lagTable } from './lag-table.ts'

const lags = [
  { group: 'standardise', topic: 'telemetry.frames', partition: 0, committed: 1_000n, end: 1_234n, lag: 234n },
  { group: 'standardise', topic: 'telemetry.frames', partition: 1, committed: null, end: 6n, lag: 6n },
  { group: 'store', topic: 'telemetry.readings', partition: 0, committed: 12n, end: 12n, lag: 0n },
]

describe('the table of lags', () => {
  it('has a line for each partition and a total for each group', () => {
    expect(lagTable(lags)).to.deep.equal([
      'group        topic               partition  committed    end  lag',
      'standardise  telemetry.frames            0      1,000  1,234  234',
      'standardise  telemetry.frames            1          -      6    6',
      'store        telemetry.readings          0         12     12    0',
      'standardise  total                                            240',
      'store        total                                              0',
    ])
  })

  it('sums by group', () => {
    expect([...lagByGroup(lags)]).to.deep.equal([
      ['standardise', 240n],
      ['store', 0n],
    ])
  })
})
