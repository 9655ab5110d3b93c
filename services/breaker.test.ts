import { expect } from 'chai'
import fc from 'fast-check'
import { memoryKept } from '../test/memory-kept.ts'
import { Breaker, type BreakerLimits, describeTurned, type Turned } from './breaker.ts'

const LIMITS: BreakerLimits = { share: 0.05, minimumDevices: 10, longestMs: 3_600_000 }

interface Sent {
  readonly key: Buffer
  readonly bad: boolean
}

/** A breaker as the loops use it: what is stopped is not written. */
class Line {
  readonly breaker: Breaker
  nowMs = Date.UTC(2026, 10, 23)

  constructor(limits: Partial<BreakerLimits> = {}) {
    this.breaker = new Breaker({ ...LIMITS, ...limits })
  }

  take(sent: readonly Sent[]): Turned | undefined {
    const bad = sent.flatMap((each, index) => (each.bad ? [index] : []))
    const turned = this.breaker.judge(sent, bad, this.nowMs)
    if (turned === undefined) this.breaker.passed(sent, bad, this.nowMs)
    return turned
  }
}

/** So many records of each of so many devices. */
function records(name: string, devices: number, each: number, bad: boolean): Sent[] {
  return Array.from({ length: devices * each }, (_, index) => ({ key: Buffer.from(`${name}${index % devices}`), bad }))
}

describe('the breaker', () => {
  it('stops for 100 devices that turn bad together, and goes on once they are fixed', () => {
    const line = new Line()
    expect(line.take(records('hive', 100, 5, false))).to.equal(undefined)
    expect(line.take(records('hive', 100, 15, true))).to.deep.equal({ turned: 100, devices: 100 })
    expect(line.take(records('hive', 100, 15, true)), 'again').to.deep.equal({ turned: 100, devices: 100 })
    expect(line.take(records('hive', 100, 15, false))).to.equal(undefined)
    expect(line.take(records('hive', 3, 100, true)), 'three of them later').to.equal(undefined)
  })

  it('counts devices of all partitions: a mistake shows in each of them', () => {
    const line = new Line()
    for (let partition = 0; partition < 6; partition++) line.take(records(`p${partition}-`, 20, 5, false))
    expect(line.take(records('p0-', 6, 5, true))).to.equal(undefined)
    expect(line.take(records('p1-', 6, 5, true))).to.deep.equal({ turned: 12, devices: 120 })
    expect(line.take(records('p2-', 20, 5, false))).to.equal(undefined)
  })

  it('does not stop for one device, whatever it sends, nor for any number of devices that were never good', () => {
    const line = new Line()
    line.take(records('hive', 20, 5, false))
    expect(line.take(records('hive', 1, 1500, true)), 'junk of a good device').to.equal(undefined)
    expect(line.take(records('stranger', 1, 1500, true)), 'an unprovisioned device').to.equal(undefined)
    expect(line.take(records('name', 15_000, 1, true)), 'unknown names').to.equal(undefined)
    expect(line.take(records('name', 5_000, 5, true)), 'unknown names again').to.equal(undefined)
  })

  it('does not stop for sensors that fail now and then, however many they are', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 20, max: 60 }), (inARow, devices) => {
        const line = new Line()
        for (let round = 0; round < 20; round++) {
          if (line.take(records('hive', devices, 1, false)) !== undefined) return false
          if (line.take(records('hive', devices, inARow, true)) !== undefined) return false
        }
        return true
      }),
    )
  })

  it('never stops below the number of devices or at a share of 1', () => {
    for (const [devices, limits] of [
      [9, {}],
      [100, { share: 1 }],
    ] as const) {
      const line = new Line(limits)
      line.take(records('hive', devices, 5, false))
      expect(line.take(records('hive', devices, 50, true))).to.equal(undefined)
    }
  })

  it('does not stop for a small share', () => {
    const line = new Line()
    line.take(records('hive', 1000, 5, false))
    expect(line.take(records('hive', 50, 5, true))).to.equal(undefined)
    expect(line.take(records('hive', 51, 5, true))).to.deep.equal({ turned: 51, devices: 1000 })
  })

  it('lets go after an hour what nobody fixes, and stops for the next mistake', () => {
    const line = new Line()
    line.take(records('hive', 100, 5, false))
    const junk = records('hive', 50, 5, true)
    for (let minute = 0; minute < 60; minute++) {
      expect(line.take(junk), `minute ${minute}`).to.deep.equal({ turned: 50, devices: 100 })
      line.nowMs += 60_000
    }
    expect(line.take(junk)).to.equal(undefined)
    expect(line.take(records('hive', 100, 5, true))).to.deep.equal({ turned: 50, devices: 100 })
  })

  it('does not take a batch that is stopped for a sign of health, though good records are in it', () => {
    const line = new Line()
    line.take(records('hive', 20, 5, false))
    const mixed = [...records('hive', 20, 5, false), ...records('hive', 20, 5, true)]
    for (let minute = 0; minute < 60; minute++) {
      expect(line.take(mixed)).to.deep.equal({ turned: 20, devices: 20 })
      line.nowMs += 60_000
    }
    expect(line.take(mixed)).to.equal(undefined)
  })

  it('stops once for devices that turn bad and good in turns, not again and again', () => {
    const line = new Line()
    line.take(records('hive', 150, 1, false))
    const trick = [...records('hive', 10, 1, false), ...records('hive', 10, 3, true)]
    let stopped = 0
    for (let minute = 0; minute < 12 * 60; minute++) {
      if (line.take(trick) !== undefined) stopped++
      line.nowMs += 60_000
    }
    expect(stopped).to.be.within(59, 61)
    // The others count as before.
    line.take(records('hive', 150, 1, false))
    expect(line.take(records('hive', 150, 3, true))?.turned).to.equal(140)
  })

  it('stops again for the next mistake after one that was fixed', () => {
    const line = new Line()
    for (let mistake = 0; mistake < 3; mistake++) {
      line.take(records('hive', 100, 2, false))
      expect(line.take(records('hive', 100, 5, true))).to.deep.equal({ turned: 100, devices: 100 })
      line.nowMs += 60_000
    }
  })

  it('does not grow, and still sees that most devices turn bad, whatever their number', () => {
    const line = new Line()
    const before = memoryKept().arrayBuffers
    line.take(records('hive', 80_000, 1, false))
    line.take(records('name', 80_000, 1, true))
    expect(memoryKept().arrayBuffers - before).to.be.below(64 << 20)
    const verdict = line.take(records('hive', 80_000, 3, true))
    expect(verdict?.devices).to.be.within(50_000, 65_536)
    expect(verdict?.turned).to.equal(verdict?.devices)
  })

  it('says how many, what for, the most frequent first, and what to do', () => {
    const reasons = new Map([
      ['malformed-frame', 12],
      ['out-of-range', 400],
    ])
    expect(describeTurned('t/3', { turned: 41, devices: 120 }, reasons, LIMITS)).to.match(
      /^41 of 120 devices that were good lately are refused now; in this batch of t\/3: out-of-range 400, malformed-frame 12\. .*60 minutes/,
    )
  })
})
