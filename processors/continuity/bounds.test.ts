import { expect } from 'chai'
import fc from 'fast-check'
import type { Boot } from './boot.ts'
import { Fold, foldInto } from './fold.ts'
import { addCounts, addsUp, countsOf, type FrameCounts, NO_FLIGHT, noCounts } from './frame-counts.ts'
import { ReadingsHead } from './heads.ts'
import { Ledger, type LoadedBoots } from './ledger.ts'
import { BOOTS_IN_MEMORY, MOST_RANGES, MOST_UNBELIEVED_RANGES, MOST_UNWRITTEN } from './limits.ts'
import { RangeSet, squeezed } from './ranges.ts'

const DEVICE = 'hive-a'
const NOTHING: LoadedBoots = { boots: [], folded: [], strangers: new Set(), since: new Map() }
/** A Sunday in 2026, in seconds. */
const START = 1_795_900_000

interface Sent {
  readonly seq: number
  readonly boot?: number
  /** Seconds after START by the line's clock, and by the device's. */
  readonly at?: number
  readonly sampled?: number
  readonly dropped?: number
}

/** The ledger with one device, as the process drives it. */
class Driver {
  readonly ledger = new Ledger()

  at(boot: number): Boot {
    const found = this.ledger.find(DEVICE, boot)
    if (found !== undefined) return found
    this.ledger.admit([{ device: DEVICE, boot }], NOTHING, 0, () => true)
    return this.at(boot)
  }

  store({ seq, boot = 1, at = 0, sampled = at, dropped = 0 }: Sent, truncated = false): this {
    const time = (START + sampled) * 1e6
    const head = Object.assign(new ReadingsHead(), { numbered: true, boot, seq, dropped, samples: 1, firstSample: time, firstTime: time })
    this.at(boot)
    const entry = this.ledger.find(DEVICE, boot)
    if (entry !== undefined) this.ledger.committed(entry, head, (START + at) * 1000, 0, truncated)
    return this
  }

  kill({ seq, boot = 1, at = 0 }: Sent, partly = false, whole = true): this {
    this.at(boot)
    const entry = this.ledger.find(DEVICE, boot)
    if (entry !== undefined) this.ledger.died(entry, { seq, dropped: 0 }, { partly, whole }, (START + at) * 1000, false)
    return this
  }

  counts(boot = 1): ReturnType<typeof countsOf> {
    return countsOf(this.at(boot), NO_FLIGHT, new RangeSet())
  }

  counted(what: 'implausible' | 'late'): number {
    return this.ledger.changes().counts.reduce((sum, counts) => sum + counts[what], 0)
  }
}

describe('a number that cannot be true', () => {
  it('is flagged, and nothing is missing for its sake: two thousand million a second after the tenth', () => {
    const driver = new Driver()
    for (let seq = 0; seq < 10; seq++) driver.store({ seq, at: seq })
    driver.store({ seq: 2_147_483_647, at: 10 })
    expect(driver.counts()).to.include({ numbered: 10, stored: 10, missing: 0, implausible: 1 })
    expect(driver.ledger.counters.implausible).to.equal(1)
    for (let seq = 10; seq < 20; seq++) if (seq !== 15) driver.store({ seq, at: seq })
    expect(driver.counts()).to.include({ numbered: 20, stored: 19, missing: 1, implausible: 1 })
    expect(driver.counts().missingNumbers).to.deep.equal([{ first: 15, last: 15 }])
  })

  it('is flagged in the first frame of a boot, too, and in a dead letter', () => {
    const first = new Driver().store({ seq: 2_147_483_647 }).store({ seq: 0 }).store({ seq: 2 })
    expect(first.counts()).to.include({ numbered: 3, stored: 2, missing: 1, implausible: 1 })
    const dead = new Driver().kill({ seq: 1_000_000_000 }).kill({ seq: 0 }).kill({ seq: 999_999_999 }, true)
    expect(dead.counts()).to.include({ numbered: 1, deadLettered: 1, missing: 0, implausible: 2 })
  })

  it('is flagged in a second boot as soon as the device is known for a second only', () => {
    const driver = new Driver().store({ boot: 1, seq: 0 }).store({ boot: 2, seq: 5_000_000, at: 1 })
    expect(driver.counts(2)).to.include({ numbered: 0, missing: 0, implausible: 1 })
    const later = new Driver().store({ boot: 1, seq: 0 }).store({ boot: 2, seq: 5_000_000, at: 100_000 })
    expect(later.counts(2)).to.include({ numbered: 5_000_001, missing: 5_000_000, implausible: 0 })
  })

  it('is none if the device was away: by its own clock though its backlog comes first, or by that of the line', () => {
    const driver = new Driver()
    for (let seq = 0; seq < 5; seq++) driver.store({ seq, at: seq })
    const back = 30 * 86_400
    // The oldest of what it kept, then what is new: all received within a second.
    driver.store({ seq: 5, at: back, sampled: 5 }).store({ seq: 2_592_000, at: back, sampled: back })
    expect(driver.counts()).to.include({ numbered: 2_592_001, stored: 7, missing: 2_591_994, implausible: 0 })
    const dark = new Driver().kill({ seq: 0 }).kill({ seq: 86_400, at: 86_400 })
    expect(dark.counts()).to.include({ numbered: 86_401, missing: 86_399, implausible: 0 })
  })

  it('is believed once the numbers have come near it, and is stored then', () => {
    const driver = new Driver().store({ seq: 0 }).store({ seq: 220_000, at: 1 })
    expect(driver.counts()).to.include({ numbered: 1, implausible: 1 })
    for (let seq = 1; seq < 22_000; seq++) driver.store({ seq, at: 1 })
    driver.store({ seq: 220_001, at: 2 })
    expect(driver.counts()).to.include({ numbered: 220_002, stored: 22_002, missing: 198_000, implausible: 0 })
  })

  it('takes no memory by coming again and again', () => {
    const driver = new Driver().store({ seq: 0 })
    for (let index = 1; index <= 10_000; index++) driver.store({ seq: 1_000_000_000 + 2 * index, at: 1 })
    expect(driver.at(1).stored.count).to.equal(MOST_UNBELIEVED_RANGES + 1)
    expect(driver.counts()).to.include({ numbered: 1, stored: 1, missing: 0, implausible: MOST_UNBELIEVED_RANGES })
    expect(driver.counted('implausible')).to.equal(10_000 - MOST_UNBELIEVED_RANGES)
  })

  it('is not reached in many leaps either', () => {
    const driver = new Driver().store({ seq: 0 })
    for (let leap = 1; leap <= 1_000; leap++) driver.store({ seq: 190_000 * leap, at: leap / 10 })
    const { missing, implausible } = driver.counts()
    expect(missing).to.be.at.most(220_000)
    expect(implausible).to.be.greaterThan(0)
    // One that numbers fast, and loses some each hour, does not leap.
    const fast = new Driver()
    let seq = 0
    for (let hour = 0; hour < 20; hour++, seq += 5_000)
      for (let frame = 0; frame < 20_000; frame++) fast.store({ seq: seq++, at: hour * 20 + frame / 1_000 })
    expect(fast.counts()).to.include({ stored: 400_000, missing: 95_000, implausible: 0 })
  })

  it('does not decide where a ledger begins that was begun in the middle', () => {
    const driver = new Driver().store({ seq: 2_147_483_647 }, true).store({ seq: 700, at: 1 }, true).store({ seq: 702, at: 2 })
    expect(driver.counts()).to.include({ numbered: 3, stored: 2, missing: 1, unknown: 700, implausible: 1 })
    const old = new Driver()
    for (let seq = 50_000_000; seq < 50_000_300; seq++) old.store({ seq, at: 1 }, true)
    expect(old.store({ seq: 3, at: 2 }).counts()).to.include({ stored: 301, missing: 0 })
  })

  it('is a count of discarded samples, too', () => {
    const driver = new Driver().store({ seq: 0, dropped: 40 }).store({ seq: 1, dropped: 2_147_483_647 }).store({ seq: 2, dropped: -1 })
    expect(driver.counts()).to.include({ dropped: 40, stored: 3 })
    expect(driver.counted('implausible')).to.equal(2)
  })

  it('on its way is not believed either', () => {
    const { ledger } = new Driver().store({ seq: 0 })
    const state = ledger.find(DEVICE, 1)
    if (state === undefined) throw new Error('no boot')
    const flight = (receivedMs: number, ...numbers: readonly number[]) => {
      const set = new RangeSet()
      for (const number of numbers) set.add(number)
      return countsOf(state, { numbers: set, receivedMs }, new RangeSet())
    }
    expect(flight(START * 1000 + 1_000, 1, 2_147_483_647)).to.include({ numbered: 2, inFlight: 1, missing: 0, implausible: 1 })
    expect(flight((START + 86_400) * 1000, 1, 86_400)).to.include({ numbered: 86_401, inFlight: 2, missing: 86_398, implausible: 0 })
  })
})

describe('a boot with very many gaps', () => {
  it('keeps its sums exactly, and names only the newer ones', () => {
    const event = fc.record({
      gap: fc.integer({ min: 1, max: 4 }),
      fate: fc.constantFrom('stored', 'stored', 'stored', 'dead', 'partly'),
      again: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(event, { minLength: 1_500, maxLength: 4_000, size: 'max' }), (events) => {
        const driver = new Driver()
        const expected: FrameCounts = noCounts()
        let seq = -1
        let partlyDead = 0
        for (const { gap, fate, again } of events) {
          expected.missing += gap - 1
          seq += gap
          for (let time = 0; time < (again ? 2 : 1); time++) {
            if (fate === 'dead') driver.kill({ seq })
            else driver.store({ seq })
            if (fate === 'partly') driver.kill({ seq }, true)
          }
          if (fate === 'dead') expected.deadLettered++
          else expected.stored++
          if (fate === 'partly') partlyDead++
        }
        expected.numbered = seq + 1
        const counts = driver.counts()
        expect(counts).to.include({ ...expected, inFlight: 0, partlyDead })
        expect(addsUp(counts)).to.equal(true)
        const { stored, dead, partly } = driver.at(1)
        expect(stored.count + dead.count + partly.count).to.be.at.most(MOST_RANGES)
        expect(counts.missingNumbers.every(({ first }) => first >= counts.settledBelow)).to.equal(true)
      }),
      { numRuns: 10 },
    )
  })

  it('counts what comes late for a number that it no longer knows, and changes no sum for it', () => {
    const driver = new Driver()
    for (let seq = 0; seq < 4 * MOST_RANGES; seq += 2) driver.store({ seq })
    const before = driver.counts()
    expect(before.settledBelow).to.be.greaterThan(1_000)
    driver.store({ seq: 1 }).store({ seq: 0 }).kill({ seq: 3 })
    expect(driver.counts()).to.deep.equal(before)
    expect(driver.counted('late')).to.equal(3)
  })
})

describe('a device with very many boots', () => {
  /** As the process does it: what is full is written, and then forgotten. */
  const flood = (driver: Driver, boots: number, per: (boot: number) => void): { readonly most: number; readonly written: number } => {
    let [most, written] = [0, 0]
    const write = (): void => {
      written += driver.ledger.changes().boots.length
      driver.ledger.forget(60)
    }
    for (let boot = 0; boot < boots; boot++) {
      if (driver.ledger.isFull) write()
      per(boot)
      most = Math.max(most, driver.ledger.size)
    }
    write()
    return { most, written }
  }

  it('has a bounded number of them in memory: 100,000 come by', () => {
    const driver = new Driver()
    const { most, written } = flood(driver, 100_000, (boot) => driver.store({ boot, seq: 0, at: boot / 1000 }))
    expect(most).to.be.at.most(MOST_UNWRITTEN + BOOTS_IN_MEMORY)
    expect(written).to.equal(100_000)
    expect(driver.ledger.size).to.equal(BOOTS_IN_MEMORY)
  }).timeout(20_000)

  it('does not make the ledger forget what is not written, or the boots of another', () => {
    const driver = new Driver()
    driver.ledger.admit([{ device: 'other', boot: 7 }], NOTHING, 0, () => true)
    for (let boot = 0; boot < 1_000; boot++) driver.store({ boot, seq: 0 })
    driver.ledger.forget(60)
    expect(driver.ledger.size).to.equal(1_001)
  })

  it('is folded once it has got rows, with all boots in memory kept, and never while its partition stands', () => {
    const driver = new Driver()
    for (let boot = 0; boot < 3; boot++) driver.store({ boot, seq: 0 })
    expect(driver.ledger.changes().grown).to.deep.equal([])
    driver.store({ boot: 0, seq: 1 })
    expect(driver.ledger.changes((partition) => partition === 5).grown).to.deep.equal([])
    expect(driver.ledger.changes((partition) => partition === 0).grown).to.deep.equal([{ device: DEVICE, keep: [0, 1, 2] }])
    expect(driver.ledger.changes().grown).to.deep.equal([])
  })

  it('adds nothing to a folded boot, and counts what comes for it', () => {
    const driver = new Driver()
    driver.ledger.admit([{ device: DEVICE, boot: 4 }], { ...NOTHING, folded: [{ device: DEVICE, boot: 4 }] }, 0, () => true)
    driver.store({ boot: 4, seq: 12 }).kill({ boot: 4, seq: 13 })
    const { boots, counts } = driver.ledger.changes()
    expect(boots).to.deep.equal([])
    expect(counts[0]).to.include({ device: DEVICE, late: 2 })
    expect([...driver.ledger.boots()]).to.deep.equal([])
  })

  it('has the same sums folded as it had before, in however many steps', () => {
    const boot = fc.record({
      stored: fc.uniqueArray(fc.nat({ max: 30 })),
      dead: fc.uniqueArray(fc.nat({ max: 30 })),
      received: fc.nat({ max: 1000 }),
    })
    fc.assert(
      fc.property(fc.array(boot, { minLength: 1, maxLength: 30 }), fc.integer({ min: 1, max: 7 }), (boots, step) => {
        const driver = new Driver()
        for (const [number, { stored, dead, received }] of boots.entries()) {
          for (const seq of stored) driver.store({ boot: number, seq, at: received })
          for (const seq of dead) driver.kill({ boot: number, seq, at: received })
        }
        const allCounts = boots.map((_, number) => driver.counts(number))
        const expected = noCounts()
        for (const counts of allCounts) addCounts(expected, counts)
        const fold = new Fold(DEVICE)
        for (let at = 0; at < boots.length; at += step)
          foldInto(
            fold,
            allCounts.slice(at, at + step).map((counts) => ({ counts, firstReceivedMs: counts.lastReceivedMs })),
          )
        expect(fold.frames).to.deep.equal(expected)
        expect(fold.boots).to.equal(boots.length)
        expect(fold.numbers.ranges()).to.deep.equal([{ first: 0, last: boots.length - 1 }])
      }),
    )
  })
})

describe('names that are no devices', () => {
  const stranger = (ledger: Ledger, name: string): void => {
    ledger.admit([{ device: name, boot: 1 }], NOTHING, 0, () => false)
    const boot = ledger.find(name, 1)
    if (boot === undefined) throw new Error('no boot')
    ledger.died(boot, { seq: 0, dropped: 0 }, { partly: false, whole: true }, START * 1000, false)
    ledger.unreadable(name, false)
  }

  it('are written apart, are counted together, and are forgotten at once', () => {
    const ledger = new Ledger()
    for (let index = 0; index < 15_000; index++) stranger(ledger, `made-up-${index}`)
    const changes = ledger.changes()
    expect(changes.boots).to.deep.equal([])
    expect(changes.strangers).to.have.length(15_000)
    expect(changes.counts).to.have.length(1)
    expect(changes.counts[0]).to.include({ device: '', unreadable: 15_000 })
    ledger.forget(60)
    expect(ledger.size).to.equal(0)
  })

  it('become devices with all that was known of them', () => {
    const ledger = new Ledger()
    stranger(ledger, DEVICE)
    const [written] = ledger.changes().strangers
    if (written === undefined) throw new Error('nothing was written')
    ledger.forget(60)
    ledger.admit([{ device: DEVICE, boot: 2 }], { ...NOTHING, boots: [written], strangers: new Set([DEVICE]) }, 0, () => true)
    expect(ledger.find(DEVICE, 1)?.dead.size).to.equal(1)
    expect(ledger.changes().promoted).to.deep.equal([DEVICE])
    const later = new Ledger()
    stranger(later, DEVICE)
    later.changes()
    const boot = later.find(DEVICE, 1)
    if (boot === undefined) throw new Error('no boot')
    later.committed(boot, Object.assign(new ReadingsHead(), { numbered: true, boot: 1, seq: 1, samples: 1 }), START * 1000, 0, false)
    const changes = later.changes()
    expect(changes.promoted).to.deep.equal([DEVICE])
    expect(changes.boots.map(({ stored, dead }) => [stored.size, dead.size])).to.deep.equal([[1, 1]])
  })
})

describe('a set with too many ranges', () => {
  it('is squeezed to a few that hold all of its numbers, and joins what is nearest', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: -500, max: 500 })), fc.integer({ min: 1, max: 20 }), (numbers, most) => {
        const set = new RangeSet()
        for (const number of [...numbers].sort((a, b) => a - b)) set.add(number)
        const small = squeezed(set, most)
        expect(small.count).to.be.at.most(most)
        expect(set.without(small).size).to.equal(0)
      }),
    )
    const apart = new RangeSet([1, 3, 100].map((number) => ({ first: number, last: number })))
    expect(squeezed(apart, 2).ranges()).to.deep.equal([
      { first: 1, last: 3 },
      { first: 100, last: 100 },
    ])
  })
})
