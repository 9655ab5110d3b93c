import { expect } from 'chai'
import { Distribution, DURATION_BUCKETS } from './distribution.ts'

describe('a distribution of durations', () => {
  it('counts each in the first bucket that is long enough, and all in the last', () => {
    const distribution = new Distribution()
    for (const seconds of [0.01, 0.011, 3, 1e9, -5]) distribution.add(seconds)
    const counts = new Map(distribution.cumulative())
    expect([0.01, 0.025, 2.5, 5, 86_400, Number.POSITIVE_INFINITY].map((bound) => counts.get(bound))).to.deep.equal([2, 3, 3, 4, 4, 5])
    expect(counts.size).to.equal(DURATION_BUCKETS.length + 1)
    expect([distribution.count, distribution.sum]).to.deep.equal([5, 1e9 + 3.021])
  })
})
