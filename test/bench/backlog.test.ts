import { expect } from 'chai'
import { isHopeless, judge, type Point } from './backlog.ts'

const RATE = 1_000

/** Points once a second. */
function load(seconds: number, stored: (second: number) => number): readonly Point[] {
  return Array.from({ length: seconds + 1 }, (_, second) => ({ atMs: second * 1_000, stored: stored(second) }))
}

describe('a load', () => {
  it('is sustained if rows come as fast as they are sent, a second late', () => {
    const judgement = judge(
      load(60, (second) => Math.max(0, second - 1) * RATE),
      RATE,
      0.01,
    )
    expect(judgement.sustained).to.equal(true)
    expect(judgement.growthPerSecond).to.be.closeTo(0, 1e-6)
    expect(judgement.endSeconds).to.equal(1)
  })

  it('is not sustained if the backlog grows all the time', () => {
    const judgement = judge(
      load(60, (second) => second * RATE * 0.97),
      RATE,
      0.01,
    )
    expect(judgement.sustained).to.equal(false)
    expect(judgement.growthPerSecond).to.be.closeTo(30, 1e-6)
  })

  it('may have a slow start, for caches fill and code is compiled', () => {
    expect(
      judge(
        load(60, (second) => Math.max(0, second - Math.min(2, second / 5)) * RATE),
        RATE,
        0.01,
      ).sustained,
    ).to.equal(true)
  })

  it('is not sustained if the line stays far behind, though it grows no further', () => {
    expect(
      judge(
        load(60, (second) => Math.max(0, second - 4) * RATE),
        RATE,
        0.01,
      ).sustained,
    ).to.equal(false)
  })

  it('may stall, if it has made up for that by the end, the load going on', () => {
    const stalled = (until: number): readonly Point[] =>
      load(60, (second) => (second < 45 ? second : second < until ? 45 : Math.min(second, 45 + 2 * (second - until))) * RATE)
    expect(judge(stalled(50), RATE, 0.01)).to.include({ sustained: true, endSeconds: 0 })
    expect(judge(stalled(50), RATE, 0.01).growthPerSecond).to.be.greaterThan(0.01 * RATE)
    expect(judge(stalled(54), RATE, 0.01).sustained).to.equal(false)
  })

  it('may be uneven, as batches are', () => {
    const judgement = judge(
      load(60, (second) => Math.floor(second / 2) * 2 * RATE),
      RATE,
      0.01,
    )
    expect(judgement.sustained).to.equal(true)
  })

  it('is hopeless once it is far behind', () => {
    const half = load(60, (second) => (second * RATE) / 2)
    expect(half.findIndex((_, index) => isHopeless(half.slice(0, index + 1), RATE))).to.equal(13)
    expect(
      isHopeless(
        load(60, (second) => Math.max(0, second - 2) * RATE),
        RATE,
      ),
    ).to.equal(false)
    expect(isHopeless([], RATE)).to.equal(false)
  })

  it('is not judged by a single point', () => {
    expect(() =>
      judge(
        load(0, () => 0),
        RATE,
        0.01,
      ),
    ).to.throw(RangeError)
  })
})
