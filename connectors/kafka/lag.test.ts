import { expect } from 'chai'
import { lagOf } from './lag.ts'

const extent = { partition: 0, earliest: 10n, end: 50n }
const nothing = { tag: 'nothing' }
const known = (nextOffset: bigint, topicId?: string) => ({ nextOffset, topicId })

describe('lag', () => {
  it('is what is left to read', () => {
    expect(lagOf(known(30n), extent)).to.deep.equal({ committed: 30n, end: 50n, lag: 20n, gone: nothing })
    expect(lagOf(known(50n, 'a'), extent, 'a').lag).to.equal(0n)
  })

  it('counts from the earliest record if nothing was read, or the next one was deleted', () => {
    expect(lagOf(undefined, extent)).to.deep.equal({ committed: null, end: 50n, lag: 40n, gone: nothing })
    expect(lagOf(known(3n), extent)).to.deep.equal({ committed: 3n, end: 50n, lag: 40n, gone: { tag: 'deleted', offsets: 7n } })
  })

  it('takes no offset of a topic that was recreated', () => {
    expect(lagOf(known(45n, 'a'), extent, 'b')).to.deep.equal({ committed: null, end: 50n, lag: 40n, gone: { tag: 'recreated' } })
  })

  it('is not known, and not negative, if the log ends before the position', () => {
    expect(lagOf(known(60n), extent)).to.deep.equal({ committed: 60n, end: 50n, lag: null, gone: { tag: 'cut' } })
  })
})
