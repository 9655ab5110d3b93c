import { expect } from 'chai'
import { decodeSession, droppedSince, encodeSession, isLost, type RememberedSession, readUptime, wasRestarted } from './session.ts'

const remembered: RememberedSession = { broker: 'mqtt://a:1', seenMs: 1_000_000, expirySeconds: 60, dropped: 3 }
const now = { broker: 'mqtt://a:1', present: false, nowMs: 1_059_999 }

describe("the bridge's session", () => {
  it('is lost if it was there, its time is not over, and the broker has none', () => {
    expect(isLost(remembered, now)).to.equal(true)
  })

  it('is not lost if it is there, its time is over, nobody remembers one, or it is another broker’s', () => {
    expect(isLost(remembered, { ...now, present: true })).to.equal(false)
    expect(isLost(remembered, { ...now, nowMs: 1_060_000 })).to.equal(false)
    expect(isLost(undefined, now)).to.equal(false)
    expect(isLost(remembered, { ...now, broker: 'mqtt://b:1' })).to.equal(false)
    expect(isLost({ ...remembered, expirySeconds: 0 }, { ...now, nowMs: 1_000_000 })).to.equal(false)
  })

  it('is remembered as it was, and what is no memory is none', () => {
    expect(decodeSession(encodeSession(remembered))).to.deep.equal(remembered)
    expect(decodeSession(encodeSession({ ...remembered, dropped: null }))).to.deep.equal({ ...remembered, dropped: null })
    for (const text of ['', '{', 'null', '7', '[]', '{"broker":"x"}', '{"broker":1,"seenMs":1,"expirySeconds":1}'])
      expect(decodeSession(Buffer.from(text)), text).to.equal(undefined)
  })

  it('tells what the broker dropped meanwhile, though it may have begun to count anew', () => {
    expect(droppedSince(3, 10)).to.equal(7)
    expect(droppedSince(3, 3)).to.equal(0)
    expect(droppedSince(30, 2)).to.equal(2)
    expect(droppedSince(undefined, 5)).to.equal(0)
    expect(droppedSince(null, 5)).to.equal(0)
  })

  it('knows a broker that has been restarted by its uptime, and one that has not', () => {
    const before = { seconds: 3_000, heardMs: 1_000_000 }
    // What it retains is as old as the last time it said so.
    expect(wasRestarted(before, { seconds: 3_000, heardMs: 1_009_000 })).to.equal(false)
    expect(wasRestarted(before, { seconds: 3_011, heardMs: 1_011_000 })).to.equal(false)
    expect(wasRestarted(before, { seconds: 0, heardMs: 1_002_000 })).to.equal(true)
    expect(wasRestarted(before, { seconds: 2_999, heardMs: 9_000_000 })).to.equal(true)
    // It may have been started at once after the first, or be the one that had just been started
    // then.
    expect(wasRestarted({ seconds: 1, heardMs: 1_000_000 }, { seconds: 9, heardMs: 1_010_000 })).to.equal(undefined)
    expect(wasRestarted({ seconds: 0, heardMs: 1_000_000 }, { seconds: 0, heardMs: 1_000_500 })).to.equal(undefined)
    // Each figure is a second, or most of two.
    expect(wasRestarted({ seconds: 10, heardMs: 1_000_000 }, { seconds: 10, heardMs: 1_009_500 })).to.equal(undefined)
  })

  it('reads an uptime as Mosquitto says it, and nothing else', () => {
    expect(readUptime('3000 seconds')).to.equal(3_000)
    expect(readUptime('3000')).to.equal(3_000)
    for (const text of ['', 'seconds', '-1 seconds', '1 days, 2 hours', '1.5 seconds', '1e3 seconds', '9'.repeat(30)])
      expect(readUptime(text), text).to.equal(undefined)
  })
})
