import { expect } from 'chai'
import { createStoreGate, type StoreGate } from './store-gate.ts'

const at = (nextOffset: bigint, leaderEpoch = 1) => [{ partition: 0, nextOffset, leaderEpoch }]
const deadLetters = (end: bigint) => () => [{ partition: 0, end }]
/** Readings that the leader of epoch 1 wrote. */
const until = (gate: StoreGate, deadLettersRead: bigint, leaderEpoch = 1) => gate.until(0, () => deadLettersRead, leaderEpoch)

describe('the gate behind the store', () => {
  it('is shut if nothing is known of the store', () => {
    expect(until(createStoreGate(), 0n)).to.equal(0n)
  })

  it('opens up to where the store has committed', () => {
    const gate = createStoreGate()
    expect(gate.news(at(100n))).to.equal(true)
    gate.learn(at(100n), deadLetters(0n))
    expect(until(gate, 0n)).to.equal(100n)
    expect(gate.news(at(100n))).to.equal(false)
  })

  it('waits until the dead letters of the store have been read that there were then', () => {
    const gate = createStoreGate()
    gate.learn(at(100n), deadLetters(3n))
    expect(until(gate, 2n)).to.equal(0n)
    expect(until(gate, 3n)).to.equal(100n)
  })

  it('is not held up for ever by dead letters that never stop', () => {
    const gate = createStoreGate()
    gate.learn(at(100n), deadLetters(3n))
    gate.learn(at(200n), deadLetters(9n))
    expect(until(gate, 5n)).to.equal(100n)
    gate.learn(at(200n), deadLetters(9n))
    expect(until(gate, 8n)).to.equal(100n)
    expect(until(gate, 9n)).to.equal(200n)
  })

  it('is shut for what a later leader wrote, until the store has come to it', () => {
    const gate = createStoreGate()
    gate.learn(at(200n, 1), deadLetters(0n))
    expect(until(gate, 0n, 1)).to.equal(200n)
    expect(until(gate, 0n, 2)).to.equal(0n)
    expect(gate.news(at(120n, 2))).to.equal(true)
    gate.learn(at(120n, 2), deadLetters(0n))
    expect(until(gate, 0n, 2)).to.equal(120n)
  })

  it('closes again as far as the store went back', () => {
    const gate = createStoreGate()
    gate.learn(at(200n, 1), deadLetters(0n))
    expect(until(gate, 0n)).to.equal(200n)
    gate.learn(at(100n, 1), deadLetters(5n))
    expect(until(gate, 4n)).to.equal(100n)
  })

  it('is opened by a position whose epoch is not known, as an older store left it', () => {
    const gate = createStoreGate()
    gate.learn(at(100n, -1), deadLetters(0n))
    expect(until(gate, 0n, 7)).to.equal(100n)
  })

  it('waits for all partitions that may have dead letters of the readings', () => {
    const gate = createStoreGate()
    gate.learn(at(100n), () => [
      { partition: 0, end: 3n },
      { partition: 1, end: 2n },
    ])
    const read = (one: bigint, two: bigint) => gate.until(0, (partition) => (partition === 0 ? one : two), 1)
    expect(read(3n, 1n)).to.equal(0n)
    expect(read(3n, 2n)).to.equal(100n)
  })
})
