import { expect } from 'chai'
import { createStoreGate } from './store-gate.ts'

const at = (nextOffset: bigint | null) => [{ partition: 0, nextOffset }]
const letters = (end: bigint) => [{ partition: 0, end }]

describe('the gate behind the store', () => {
  it('is shut where the store never committed', () => {
    const gate = createStoreGate()
    expect(gate.news(at(null))).to.equal(false)
    gate.learn(at(null), letters(0n))
    expect(gate.until(0, 0n)).to.equal(0n)
  })

  it('opens up to where the store has committed', () => {
    const gate = createStoreGate()
    expect(gate.news(at(100n))).to.equal(true)
    gate.learn(at(100n), letters(0n))
    expect(gate.until(0, 0n)).to.equal(100n)
    expect(gate.news(at(100n))).to.equal(false)
  })

  it('waits until the letters of the store have been read that there were then', () => {
    const gate = createStoreGate()
    gate.learn(at(100n), letters(3n))
    expect(gate.until(0, 2n)).to.equal(0n)
    expect(gate.until(0, 3n)).to.equal(100n)
  })

  it('is not held up for ever by letters that never stop', () => {
    const gate = createStoreGate()
    gate.learn(at(100n), letters(3n))
    gate.learn(at(200n), letters(9n))
    expect(gate.until(0, 5n)).to.equal(100n)
    gate.learn(at(200n), letters(9n))
    expect(gate.until(0, 8n)).to.equal(100n)
    expect(gate.until(0, 9n)).to.equal(200n)
  })
})
