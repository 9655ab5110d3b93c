import { expect } from 'chai'
import fc from 'fast-check'
import { type BadRecords, BadShare, describeBadShare } from './bad-share.ts'

const LIMIT = { limit: 0.05, minimumRecords: 1000 }

/** As the loops do: what is too bad is not counted. */
function take(share: BadShare, partition: string, batch: BadRecords): BadRecords | undefined {
  const tooBad = share.judge(partition, batch)
  if (tooBad === undefined) share.count(partition, batch)
  return tooBad
}

describe('the share of bad records', () => {
  it('says nothing of a few records, however bad', () => {
    const share = new BadShare(LIMIT)
    for (let message = 0; message < 50; message++) expect(take(share, 't/0', { records: 1, bad: 1 })).to.equal(undefined)
  })

  it('stops a partition at more than the limit, and takes what was mended afterwards', () => {
    const share = new BadShare(LIMIT)
    expect(take(share, 't/0', { records: 1900, bad: 95 })).to.equal(undefined)
    expect(take(share, 't/0', { records: 100, bad: 6 })).to.deep.equal({ records: 2000, bad: 101 })
    expect(take(share, 't/1', { records: 100, bad: 6 })).to.equal(undefined)
    expect(take(share, 't/0', { records: 100, bad: 6 })).to.deep.equal({ records: 2000, bad: 101 })
    expect(take(share, 't/0', { records: 100, bad: 0 })).to.equal(undefined)
  })

  it('notices a flood after a good day within a window, not after another day', () => {
    const share = new BadShare(LIMIT)
    for (let batch = 0; batch < 10_000; batch++) take(share, 't/0', { records: 100, bad: 0 })
    let taken = 0
    while (take(share, 't/0', { records: 100, bad: 100 }) === undefined) taken += 100
    expect(taken).to.be.at.most(600)
  })

  it('never stops at a limit of 1', () => {
    const share = new BadShare({ ...LIMIT, limit: 1 })
    for (let batch = 0; batch < 100; batch++) expect(take(share, 't/0', { records: 100, bad: 100 })).to.equal(undefined)
  })

  it('never stops where every batch of at least the minimum is within the limit', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1000, max: 5000 }), { minLength: 1, maxLength: 100 }), (sizes) => {
        const share = new BadShare(LIMIT)
        return sizes.every((records) => take(share, 't/0', { records, bad: Math.floor(records * 0.05) }) === undefined)
      }),
    )
  })

  it('names the reasons, the most frequent first', () => {
    const text = describeBadShare(
      't/3',
      { records: 1203, bad: 412 },
      new Map([
        ['malformed-frame', 12],
        ['unknown-device', 400],
      ]),
    )
    expect(text).to.match(
      /^412 of the last 1203 records of t\/3 cannot be processed; in this batch: unknown-device 400, malformed-frame 12\./,
    )
  })
})
