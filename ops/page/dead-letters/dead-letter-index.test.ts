import { expect } from 'chai'
import type { Topic } from '../../../processors/contract.ts'
import type { FoundDeadLetter } from '../../../processors/found-dead-letters.ts'
import { DeadLetterIndex } from './dead-letter-index.ts'

const topic = 'standardise.dead' as Topic

function found(offset: bigint, over: Partial<FoundDeadLetter['deadLetter']> = {}): FoundDeadLetter {
  const deadLetter = { reason: 'unknown-device', key: Buffer.from('hive-1'), detail: 'x', last_failed: Number(offset), attempt: 1, ...over }
  return { topic, partition: 0, offset, deadLetter } as unknown as FoundDeadLetter
}

const extent = (earliest: bigint, end: bigint, partition = 0) => ({ partition, earliest, end })

describe('the newest dead letters of a topic', () => {
  function read(index: DeadLetterIndex, earliest: bigint, end: bigint): readonly bigint[] {
    const offsets: bigint[] = []
    for (const part of index.unread([extent(earliest, end)])) {
      for (let offset = part.earliest; offset < part.end; offset++) {
        offsets.push(offset)
        index.add(found(offset))
      }
      index.done(part)
    }
    return offsets
  }

  it('are read once', () => {
    const index = new DeadLetterIndex(topic, 100)
    expect(read(index, 0n, 3n)).to.deep.equal([0n, 1n, 2n])
    expect(read(index, 0n, 3n)).to.deep.equal([])
    expect(read(index, 0n, 5n)).to.deep.equal([3n, 4n])
    expect(index.state('standardise', undefined)).to.deep.include({ lookedAt: 5, more: false, unreadable: 0, processor: 'standardise' })
  })

  it('are the newest, and it says that there are more', () => {
    const index = new DeadLetterIndex(topic, 4)
    expect(read(index, 0n, 10n)).to.deep.equal([6n, 7n, 8n, 9n])
    expect(read(index, 0n, 100n)).to.deep.equal([96n, 97n, 98n, 99n])
    const { more, lookedAt } = index.state(null, undefined)
    expect([more, lookedAt]).to.satisfy(([is, count]: [boolean, number]) => is && count <= 5)
  })

  it('are shared out by the partitions', () => {
    expect(new DeadLetterIndex(topic, 10).unread([extent(0n, 100n, 0), extent(0n, 2n, 1)])).to.deep.equal([
      extent(95n, 100n, 0),
      extent(0n, 2n, 1),
    ])
  })

  it('are without those that Kafka has deleted, and begin anew with another topic of the name', () => {
    const index = new DeadLetterIndex(topic, 100)
    read(index, 0n, 10n)
    expect(read(index, 8n, 10n)).to.deep.equal([])
    expect(index.state(null, undefined).lookedAt).to.equal(2)
    expect(read(index, 0n, 1n)).to.deep.equal([0n])
    expect(index.state(null, undefined).lookedAt).to.equal(1)
  })

  it('are counted by reason, with what is open if the database says what redrives have settled', () => {
    const index = new DeadLetterIndex(topic, 100)
    index.add(found(1n, { last_failed: 5 }))
    index.add(found(2n, { last_failed: 9, key: Buffer.from('=1+1'), attempt: 3 }))
    index.add(found(3n, { reason: 'out-of-range', key: null }))
    index.add(null)
    const settled = new Map([[0, new Map([[1n, 'succeeded' as const]])]])
    expect(index.state(null, settled).reasons).to.deep.equal([
      { reason: 'out-of-range', deadLetters: 1, open: 1, devices: 0, oldest: 3, newest: 3, attempts: 1 },
      { reason: 'unknown-device', deadLetters: 2, open: 1, devices: 2, oldest: 5, newest: 9, attempts: 3 },
    ])
    expect(index.state(null, undefined).reasons.map(({ open }) => open)).to.deep.equal([null, null])
    expect(index.newest('unknown-device', 1, settled)).to.deep.equal([
      { partition: 0, offset: '2', device: '=1+1', detail: 'x', lastFailed: 9, attempt: 3, open: true },
    ])
  })
})
