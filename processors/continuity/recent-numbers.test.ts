import { expect } from 'chai'
import fc from 'fast-check'
import { RecentNumbers } from './recent-numbers.ts'

/** Numbers in order of arrival, and the time of each. */
function contradictions(frames: readonly (readonly [number, number])[]): number {
  const recent = new RecentNumbers()
  return frames.filter(([number, time]) => recent.contradicts(number, time)).length
}

describe('the newest numbers of a boot', () => {
  it('are never contradicted by one device, whatever is lost, late, repeated or out of order', () => {
    const frames = fc
      .array(fc.nat({ max: 200 }), { maxLength: 300 })
      .map((numbers) => numbers.map((number) => [number, number * 1000] as const))
    fc.assert(
      fc.property(frames, (arrived) => {
        expect(contradictions(arrived)).to.equal(0)
      }),
    )
  })

  it('are not contradicted by a device that sets its clock back or forth', () => {
    const frames = Array.from(
      { length: 300 },
      (_, number) => [number, number * 1000 + (number >= 100 && number < 200 ? -3_600_000 : 0)] as const,
    )
    expect(contradictions(frames)).to.equal(0)
  })

  it('are contradicted by a number that comes again with another time', () => {
    expect(
      contradictions([
        [5, 1000],
        [6, 2000],
        [5, 1000],
        [5, 1001],
      ]),
    ).to.equal(1)
  })

  it('are contradicted by each frame of a second device whose numbers are far behind, though its clock is late', () => {
    const frames = Array.from(
      { length: 100 },
      (_, index) =>
        [
          [1000 + index, index * 1000],
          [50 + index, index * 1000 - 500],
        ] as const,
    ).flat()
    // At first there is nothing that its time could be later than.
    expect(contradictions(frames)).to.be.greaterThan(60)
  })

  it('are contradicted by a second device in step with the first', () => {
    const frames = Array.from(
      { length: 100 },
      (_, index) =>
        [
          [index, index * 1000],
          [index, index * 1000 + 1],
        ] as const,
    ).flat()
    expect(contradictions(frames)).to.equal(100)
  })
})
