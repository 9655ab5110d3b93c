import { expect } from 'chai'
import fc from 'fast-check'
import { bucketLength, DAY_MS, HOUR_MS, READINGS_MS, rollupLength } from './resolution.ts'

describe('the resolution of a chart', () => {
  it('is minutes for a day, hours for a week or two, days for a year', () => {
    expect(bucketLength(DAY_MS, 600)).to.equal(5 * 60_000)
    expect(bucketLength(7 * DAY_MS, 600)).to.equal(HOUR_MS)
    expect(bucketLength(30 * DAY_MS, 600)).to.equal(3 * HOUR_MS)
    expect(bucketLength(365 * DAY_MS, 600)).to.equal(DAY_MS)
    expect(bucketLength(10 * 365 * DAY_MS, 600)).to.equal(7 * DAY_MS)
  })

  it('takes roll-ups for what is too long for readings, and for all that is in the archive', () => {
    expect(bucketLength(READINGS_MS + 1, 100_000)).to.equal(HOUR_MS)
    expect(rollupLength(60_000, 600)).to.equal(HOUR_MS)
  })

  it('becomes no finer as the span grows, and keeps to the points as long as there is a longer bucket', () => {
    const span = fc.double({ min: 1, max: 1000 * DAY_MS, noNaN: true })
    fc.assert(
      fc.property(span, span, fc.integer({ min: 150, max: 2000 }), (a, b, points) => {
        const [short, long] = [Math.min(a, b), Math.max(a, b)]
        expect(bucketLength(short, points)).to.be.at.most(bucketLength(long, points))
        expect(long / bucketLength(long, points)).to.be.at.most(points)
      }),
    )
  })
})
