import { expect } from 'chai'
import { requestIntervalMs } from './request-interval.ts'

describe('the interval of a producer’s requests', () => {
  it('is 10 ms while Kafka answers quickly, and longer the slower it is, up to 25 ms', () => {
    expect([0, 1, 3].map(requestIntervalMs)).to.deep.equal([10, 10, 10])
    expect(requestIntervalMs(5)).to.equal(15)
    expect([9, 400, 30_000].map(requestIntervalMs)).to.deep.equal([25, 25, 25])
  })
})
