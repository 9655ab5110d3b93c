import { expect } from 'chai'
import fc from 'fast-check'
import type { Extent } from '../../connectors/contract.ts'
import { newest } from './newest.ts'

describe('the newest records of some partitions', () => {
  const extent = (partition: number, earliest: number, end: number) => ({ partition, earliest: BigInt(earliest), end: BigInt(end) })

  it('are all of a short partition, and the end of a long one', () => {
    expect(newest([extent(0, 10, 20), extent(1, 0, 1_000)], 100)).to.deep.equal({
      extents: [extent(0, 10, 20), extent(1, 910, 1_000)],
      left: 910,
    })
    expect(newest([extent(0, 5, 5)], 100)).to.deep.equal({ extents: [extent(0, 5, 5)], left: 0 })
    expect(newest([], 100)).to.deep.equal({ extents: [], left: 0 })
  })

  it('are at most as many as asked for, no fewer than fit, and end where the partitions do', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(1_000), fc.nat(1_000)), { maxLength: 8 }), fc.integer({ min: 1, max: 3_000 }), (parts, most) => {
        const given = parts.map(([from, length], partition) => extent(partition, from, from + length))
        const { extents, left } = newest(given, most)
        const size = (list: readonly Extent[]): number => list.reduce((sum, { earliest, end }) => sum + Number(end - earliest), 0)
        expect(extents.map(({ end }) => end)).to.deep.equal(given.map(({ end }) => end))
        expect(size(extents)).to.equal(size(given) - left)
        expect(size(extents)).to.be.at.most(most)
        expect(size(extents)).to.be.at.least(Math.min(size(given), most - parts.length))
      }),
    )
  })
})
