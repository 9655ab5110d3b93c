import { expect } from 'chai'
import fc from 'fast-check'
import { coverage, frameFileName } from './frame-file.ts'

describe('files of frames', () => {
  it('are named by what they have, so that names sort as offsets do', () => {
    const name = (from: bigint): string =>
      frameFileName({ topic: 'telemetry.frames', day: '2026-11-23', topicId: '0123456789abcdef', partition: 3, from, next: from + 10n })
    expect(name(7n)).to.equal('telemetry.frames/date=2026-11-23/01234567-3-0000000000000000007-0000000000000000017.parquet')
    expect([name(10n), name(9n)].sort()).to.deep.equal([name(9n), name(10n)])
  })

  it('and the gaps between them are all of a range, each offset once', () => {
    const lengths = fc.array(fc.record({ gap: fc.nat(5), length: fc.integer({ min: 1, max: 9 }) }), { maxLength: 6 })
    fc.assert(
      fc.property(lengths, fc.nat(40), fc.nat(40), (shapes, one, other) => {
        let at = 0
        const files = shapes.map(({ gap, length }) => {
          const from = at + gap
          at = from + length
          return { from: BigInt(from), next: BigInt(at) }
        })
        const [from, next] = [Math.min(one, other), Math.max(one, other)]
        const { parts, gaps } = coverage([...files].reverse(), { from: BigInt(from), next: BigInt(next) })
        const offsets = [...parts, ...gaps].flatMap((part) =>
          Array.from({ length: Number(part.next - part.from) }, (_, index) => Number(part.from) + index),
        )
        expect(offsets.sort((a, b) => a - b)).to.deep.equal(Array.from({ length: next - from }, (_, index) => from + index))
        for (const part of parts) expect(part.from >= part.file.from && part.next <= part.file.next).to.equal(true)
      }),
    )
  })
})
