import { expect } from 'chai'
import type { ConsumerName, Topic } from '../../processors/contract.ts'
import { type CountedMove, moveOffsets, refusal } from './offsets.ts'

const topic = 'telemetry.readings' as Topic
const store = 'store' as ConsumerName
const move = (partition: number, from: bigint, to: bigint): CountedMove => ({
  topic,
  partition,
  from,
  to,
  leaderEpoch: 0,
  epoch: 3n,
  stored: 1,
  dead: 0,
})
const row = (partition: number, nextOffset: bigint, epoch = 3n) => ({ topic, partition, nextOffset, epoch })

describe('refused moves of offsets', () => {
  it('were done before when every partition is where they lead, under the same epoch', () => {
    expect(refusal([move(0, 1n, 5n), move(1, 1n, 9n)], [row(0, 5n), row(1, 9n)])).to.deep.equal({ tag: 'done-before' })
  })

  it('were not done before when another owner got to the same offset', () => {
    expect(refusal([move(0, 1n, 5n)], [row(0, 5n, 4n)])).to.deep.equal({ tag: 'fenced', partitions: [{ topic, partition: 0 }] })
  })

  it('name the partitions that another owner has, that are not there, or whose position a crash took back', () => {
    const moves = [move(0, 1n, 5n), move(1, 1n, 9n), move(2, 1n, 2n), move(3, 4n, 6n)]
    const partitions = [1, 2, 3].map((partition) => ({ topic, partition }))
    expect(refusal(moves, [row(0, 1n), row(1, 1n, 4n), row(3, 0n)])).to.deep.equal({ tag: 'fenced', partitions })
  })
})

describe('moves of offsets', () => {
  it('must go on: afterwards, nothing else tells whether they were committed', () => {
    expect(() => moveOffsets(store, [move(0, 5n, 5n)])).to.throw(RangeError, 'telemetry.readings/0')
    expect(() => moveOffsets(store, [])).to.throw(RangeError)
  })

  it('quote the names that they are given', () => {
    expect(moveOffsets("o'clock" as ConsumerName, [move(0, 1n, 2n)])).to.contain("'o''clock'")
  })
})
