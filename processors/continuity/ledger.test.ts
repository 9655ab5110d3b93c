import { expect } from 'chai'
import fc from 'fast-check'
import { addsUp, countsOf, setOf } from './frame-counts.ts'
import { ReadingsHead } from './heads.ts'
import { Ledger } from './ledger.ts'
import { upTo } from './ranges.ts'

interface NumberedFrame {
  readonly device?: string
  readonly boot?: number
  readonly seq: number
  readonly dropped?: number
  /** Seconds since 1970. */
  readonly at?: number
  readonly samples?: number
}

const DEVICE = 'hive-a'

/** A ledger as the process uses it: boots are taken into memory when they are first heard of. */
class Driver {
  readonly ledger = new Ledger()

  private boot({ device = DEVICE, boot = 1 }: NumberedFrame): ReturnType<Ledger['install']> {
    return this.ledger.find(device, boot) ?? this.ledger.install(device, boot)
  }

  store(frame: NumberedFrame, refused = 0, truncated = false): this {
    const head = Object.assign(new ReadingsHead(), {
      numbered: true,
      boot: frame.boot ?? 1,
      seq: frame.seq,
      dropped: frame.dropped ?? 0,
      samples: frame.samples ?? 1,
      firstSample: frame.at === undefined ? Number.NaN : frame.at * 1e6,
    })
    this.ledger.committed(this.boot(frame), head, 1_000 + frame.seq, refused, truncated)
    return this
  }

  kill(frame: NumberedFrame, partly = false, whole = true): this {
    this.ledger.died(this.boot(frame), { seq: frame.seq, dropped: frame.dropped ?? 0 }, { partly, whole }, 1_000 + frame.seq, false)
    return this
  }

  counts(inFlight: Iterable<number> = [], boot = 1, redriven: Iterable<number> = []): ReturnType<typeof countsOf> {
    const state = this.ledger.find(DEVICE, boot)
    if (state === undefined) throw new Error(`no boot ${boot}`)
    return countsOf(state, { numbers: setOf(inFlight), receivedMs: 1_000 }, setOf(redriven))
  }

  get conflicts(): number {
    return this.ledger.changes().counts.reduce((sum, { conflicts }) => sum + conflicts, 0)
  }
}

describe('the ledger of frame numbers', () => {
  it('takes frames that a redrive of the store has written for stored, and still adds up', () => {
    const driver = new Driver()
    for (const seq of [0, 1, 3]) driver.store({ seq }, seq === 0 ? 0 : 1)
    expect(driver.counts()).to.include({ numbered: 4, stored: 1, deadLettered: 2, missing: 1 })
    expect(driver.counts([], 1, [1])).to.include({ numbered: 4, stored: 2, deadLettered: 1, missing: 1 })
    expect(driver.counts([], 1, [1, 3])).to.include({ numbered: 4, stored: 3, deadLettered: 0, missing: 1 })
  })

  it('adds up, whatever became of each frame in whatever order, and names what is missing', () => {
    const event = fc.record({
      seq: fc.nat({ max: 40 }),
      fate: fc.constantFrom('stored', 'dead', 'sample', 'flying', 'malformed', 'refused', 'refused-partly'),
    })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const driver = new Driver()
        driver.store({ seq: 0 })
        const fates = new Map<number, Set<string>>([[0, new Set(['stored'])]])
        for (const { seq, fate } of events) {
          fates.set(seq, (fates.get(seq) ?? new Set()).add(fate))
          if (fate === 'stored') driver.store({ seq })
          else if (fate === 'dead') driver.kill({ seq })
          else if (fate === 'sample') driver.kill({ seq }, true)
          else if (fate === 'malformed') driver.kill({ seq }, false, false)
          else if (fate === 'refused') driver.store({ seq, samples: 3 }, 3)
          else if (fate === 'refused-partly') driver.store({ seq, samples: 3 }, 2)
        }
        const flying = events.filter(({ fate }) => fate === 'flying').map(({ seq }) => seq)
        const counts = driver.counts(flying)
        expect(addsUp(counts)).to.equal(true)

        // The same by hand, number by number.
        const counted = [...fates].filter(([, fate]) => [...fate].some((each) => each !== 'malformed')).map(([seq]) => seq)
        const end = Math.max(...counted) + 1
        const states = Array.from({ length: end }, (_, seq) => {
          const fate = fates.get(seq)
          if (fate === undefined) return 'missing'
          if (fate.has('stored') || fate.has('refused-partly')) return 'stored'
          return fate.has('flying') ? 'inFlight' : 'deadLettered'
        })
        for (const state of ['stored', 'deadLettered', 'inFlight', 'missing'] as const)
          expect(counts[state], state).to.equal(states.filter((each) => each === state).length)
        expect(counts.numbered).to.equal(end)
        const missing = counts.missingNumbers.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, at) => first + at))
        expect(missing).to.deep.equal(states.flatMap((state, seq) => (state === 'missing' ? [seq] : [])))
      }),
    )
  })

  it('closes gaps when late and resent frames come, and counts what a device dropped once', () => {
    const driver = new Driver()
    for (const seq of [0, 1, 5]) driver.store({ seq, dropped: seq === 5 ? 7 : 0 })
    expect(driver.counts().missingNumbers).to.deep.equal([{ first: 2, last: 4 }])
    for (const seq of [4, 2, 3, 5, 5]) driver.store({ seq, dropped: seq === 5 ? 7 : 0 })
    expect(driver.counts()).to.include({ numbered: 6, stored: 6, missing: 0, dropped: 7 })
  })

  it('takes a redriven frame for stored, and counts what its device dropped once', () => {
    const driver = new Driver().kill({ seq: 0, dropped: 3 }).kill({ seq: 1 })
    expect(driver.counts()).to.include({ numbered: 2, deadLettered: 2, stored: 0, dropped: 3 })
    driver.store({ seq: 0, dropped: 3 })
    expect(driver.counts()).to.include({ numbered: 2, deadLettered: 1, stored: 1, dropped: 3 })
    expect(driver.counts([1])).to.include({ deadLettered: 0, inFlight: 1 })
  })

  it('says which stored frames have dead samples, and calls a frame dead whose every sample is', () => {
    const driver = new Driver().store({ seq: 0, samples: 2 }).kill({ seq: 0 }, true).kill({ seq: 1 }, true).store({ seq: 2, samples: 2 }, 2)
    expect(driver.counts()).to.include({ numbered: 3, stored: 1, partlyDead: 1, deadLettered: 2 })
  })

  it('does not believe the number of a malformed frame if no higher one is known', () => {
    const driver = new Driver().kill({ seq: 1_000_000 }, false, false).store({ seq: 0 }).store({ seq: 2 }).kill({ seq: 1 }, false, false)
    expect(driver.counts()).to.include({ numbered: 3, stored: 2, deadLettered: 1, missing: 0 })
  })

  it('does not call missing what went by before it was begun', () => {
    const driver = new Driver().store({ seq: 500 }, 0, true).store({ seq: 501 }).store({ seq: 503 })
    expect(driver.counts()).to.include({ numbered: 4, stored: 3, missing: 1, unknown: 500 })
    const fresh = new Driver().store({ seq: 500 })
    expect(fresh.counts()).to.include({ numbered: 501, missing: 500, unknown: 0 })
  })

  it('keeps boots apart, whatever their numbers', () => {
    const driver = new Driver().store({ seq: 3, at: 100 }).store({ boot: 1_987_654_321, seq: 1, at: 200 })
    expect(driver.counts().missing).to.equal(3)
    expect(driver.counts([], 1_987_654_321).missing).to.equal(1)
  })

  it('forgets boots that are written and idle, and only those', () => {
    const driver = new Driver().store({ seq: 0 }).store({ boot: 2, seq: 0 })
    driver.ledger.forget(0)
    expect(driver.ledger.size).to.equal(2)
    driver.ledger.changes()
    driver.store({ boot: 2, seq: 1 })
    driver.ledger.changes()
    driver.ledger.changes()
    driver.ledger.forget(2)
    expect(driver.ledger.find(DEVICE, 1)).to.equal(undefined)
    expect(driver.ledger.find(DEVICE, 2)?.stored).to.deep.equal(upTo(2))
  })

  it('counts a number with two times as a conflict, but not if a redrive brings other samples of a frame', () => {
    const driver = new Driver().store({ seq: 0, at: 1 }).store({ seq: 0, at: 2 })
    expect(driver.conflicts).to.equal(1)
    const recovered = new Driver().kill({ seq: 0 }, true).store({ seq: 0, at: 2 }).store({ seq: 0, at: 1 })
    expect(recovered.conflicts).to.equal(0)
  })

  it('takes no estimated time for a sign of a second device', () => {
    expect(new Driver().store({ seq: 0 }).store({ seq: 0 }).conflicts).to.equal(0)
  })
})
