import { expect } from 'chai'
import fc from 'fast-check'
import type { Topic } from '../../processors/contract.ts'
import { judgePosition } from './judge-position.ts'
import type { EpochEnd } from './raw-requests.ts'

const place = { topic: 'telemetry.readings' as Topic, partition: 3 }
const position = (nextOffset: bigint, leaderEpoch: number) => ({ ...place, nextOffset, leaderEpoch })
const extent = (earliest: bigint, end: bigint) => ({ partition: 3, earliest, end })
const epochEnd = (leaderEpoch: number, endOffset: bigint): EpochEnd => ({ ...place, leaderEpoch, endOffset })

describe('a position in a log', () => {
  it('is kept while its epoch goes beyond it', () => {
    expect(judgePosition(position(200n, 4), extent(50n, 200n), epochEnd(4, 200n))).to.deep.equal({
      position: position(200n, 4),
      change: null,
    })
  })

  it('goes back to where its epoch ends now, with the epoch that the log has up to there', () => {
    expect(judgePosition(position(200n, 4), extent(50n, 150n), epochEnd(3, 100n))).to.deep.equal({
      position: position(100n, 3),
      change: { ...place, tag: 'truncated', from: 200n, to: 100n },
    })
  })

  it('does so though the log has passed it again', () => {
    expect(judgePosition(position(200n, 4), extent(50n, 900n), epochEnd(4, 100n)).position.nextOffset).to.equal(100n)
  })

  it('does not go back beyond what retention has left', () => {
    expect(judgePosition(position(200n, 4), extent(120n, 900n), epochEnd(4, 100n)).position.nextOffset).to.equal(120n)
  })

  it('starts anew if the leader knows nothing of its epoch: the log is from before', () => {
    expect(judgePosition(position(200n, 9), extent(50n, 900n), epochEnd(-1, -1n))).to.deep.equal({
      position: position(50n, -1),
      change: { ...place, tag: 'truncated', from: 200n, to: 50n },
    })
  })

  it('is not taken for cut if a new leader knows less of what is committed than the one before', () => {
    expect(judgePosition(position(200n, 4), extent(50n, 190n), epochEnd(4, 200n)).change).to.equal(null)
  })

  it('goes on at the earliest record where retention took the next one', () => {
    expect(judgePosition(position(20n, 4), extent(50n, 200n), epochEnd(4, 60n))).to.deep.equal({
      position: position(50n, 4),
      change: { ...place, tag: 'deleted', from: 20n, to: 50n },
    })
  })

  it('of which no epoch is known is kept within the log, and starts anew where the log is shorter', () => {
    expect(judgePosition(position(200n, -1), extent(50n, 200n), undefined).change).to.equal(null)
    expect(judgePosition(position(201n, -1), extent(50n, 200n), undefined).position).to.deep.equal(position(50n, -1))
  })

  it('never goes on, and never loses a record that was not read', () => {
    const offset = fc.bigInt({ min: 0n, max: 300n })
    fc.assert(
      fc.property(offset, offset, offset, offset, (next, earliest, length, end) => {
        const log = extent(earliest, earliest + length)
        const { position: now, change } = judgePosition(position(next, 2), log, epochEnd(2, end))
        if (change?.tag !== 'deleted') expect(now.nextOffset <= next || now.nextOffset === earliest).to.equal(true)
        expect(now.nextOffset >= earliest).to.equal(true)
        if (change === null) expect(now).to.deep.equal(position(next, 2))
      }),
    )
  })
})
