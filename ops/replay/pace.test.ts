import { expect } from 'chai'
import { ByteCap, Tempo } from './pace.ts'

describe('the pace of a replay', () => {
  it('allows so many bytes a second on the average, and saves up none of a pause', () => {
    let nowMs = 0
    const cap = new ByteCap(1000, () => nowMs)
    expect([cap.take(500), cap.take(500)]).to.deep.equal([500, 1000])
    nowMs = 1000
    expect(cap.take(100)).to.equal(100)
    nowMs = 60_000
    expect(cap.take(1000)).to.equal(1000)
  })

  it('asks for no wait that a timer cannot keep, and counts what it was for', () => {
    let nowMs = 0
    const cap = new ByteCap(1_000_000, () => nowMs)
    expect(Array.from({ length: 190 }, () => cap.take(100)).every((waitMs) => waitMs === 0)).to.equal(true)
    expect(cap.take(2_000)).to.be.closeTo(21, 1e-9)
    nowMs = 21
    expect(cap.take(100)).to.equal(0)
  })

  it('keeps gaps, divided by the speed, and does not wait for what is late', () => {
    let nowMs = 0
    const tempo = new Tempo(10, () => nowMs)
    expect(tempo.before(5_000_000)).to.equal(0)
    expect(tempo.before(6_000_000)).to.equal(100)
    nowMs = 100
    expect([tempo.before(4_000_000), tempo.before(null)]).to.deep.equal([0, 0])
    expect(tempo.before(7_000_000)).to.equal(100)
  })
})
