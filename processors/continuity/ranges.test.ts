import { expect } from 'chai'
import fc from 'fast-check'
import { formatRanges, RangeSet, upTo } from './ranges.ts'

/** Small numbers, so that ranges meet and merge. */
const numbers = fc.array(fc.nat({ max: 60 }), { maxLength: 80 })

function setOf(members: Iterable<number>): RangeSet {
  const set = new RangeSet()
  for (const number of members) set.add(number)
  return set
}

function members(set: RangeSet): number[] {
  return set.ranges().flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, index) => first + index))
}

const ascending = (values: Iterable<number>): number[] => [...values].sort((a, b) => a - b)

describe('ranges of numbers', () => {
  it('hold what a set holds, whatever the order, and say what was new', () => {
    fc.assert(
      fc.property(numbers, (added) => {
        const [set, naive] = [new RangeSet(), new Set<number>()]
        for (const number of added) {
          expect(set.add(number)).to.equal(!naive.has(number))
          naive.add(number)
        }
        expect(members(set)).to.deep.equal(ascending(naive))
        expect(set.size).to.equal(naive.size)
        expect(set.highest).to.equal(Math.max(-1, ...naive))
        for (let number = 0; number <= 62; number++) expect(set.has(number)).to.equal(naive.has(number))
      }),
    )
  })

  it('never touch one another', () => {
    fc.assert(
      fc.property(numbers, (added) => {
        const ranges = setOf(added).ranges()
        for (const [index, { first }] of ranges.entries()) expect(first).to.be.greaterThan((ranges[index - 1]?.last ?? -2) + 1)
      }),
    )
  })

  it('unite, intersect and subtract as sets do, and leave both as they were', () => {
    fc.assert(
      fc.property(numbers, numbers, (left, right) => {
        const [a, b] = [setOf(left), setOf(right)]
        expect(members(a.union(b))).to.deep.equal(ascending(new Set([...left, ...right])))
        expect(members(a.intersection(b))).to.deep.equal(ascending(new Set(left.filter((number) => right.includes(number)))))
        expect(members(a.without(b))).to.deep.equal(ascending(new Set(left.filter((number) => !right.includes(number)))))
        expect(members(a)).to.deep.equal(ascending(new Set(left)))
        expect(members(b)).to.deep.equal(ascending(new Set(right)))
      }),
    )
  })

  it('are made again from their ranges', () => {
    fc.assert(
      fc.property(numbers, (added) => {
        expect(new RangeSet(setOf(added).ranges())).to.deep.equal(setOf(added))
      }),
    )
  })

  it('take one range for a device that loses nothing', () => {
    const set = setOf(Array.from({ length: 100_000 }, (_, index) => index))
    expect(set.ranges()).to.deep.equal([{ first: 0, last: 99_999 }])
    expect(set).to.deep.equal(upTo(100_000))
    expect(upTo(0).size).to.equal(0)
  })

  it('reach to the largest number of a frame', () => {
    const set = new RangeSet([{ first: 2 ** 31 - 2, last: 2 ** 31 - 1 }])
    expect(
      upTo(2 ** 31)
        .without(set)
        .ranges(),
    ).to.deep.equal([{ first: 0, last: 2 ** 31 - 3 }])
  })

  it('are refused where they are out of order or touch', () => {
    expect(() => new RangeSet([{ first: 3, last: 2 }])).to.throw(RangeError)
    expect(
      () =>
        new RangeSet([
          { first: 0, last: 2 },
          { first: 3, last: 4 },
        ]),
    ).to.throw(RangeError, 'got 3–4 after 0–2')
  })

  it('are written as people write them', () => {
    expect(formatRanges(setOf([12, 13, 14, 15, 40]).ranges())).to.equal('12–15, 40')
  })
})
