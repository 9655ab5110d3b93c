import { areFew, canHaveMissed, canHaveNumbered, isFarBelow, MOST_DROPPED, MOST_RANGES, MOST_UNBELIEVED_RANGES } from './limits.ts'
import { between, RangeSet } from './ranges.ts'
import type { RecentNumbers } from './recent-numbers.ts'

/** Settled frames of a boot: they are counted, and no longer known one by one. */
export interface Settled {
  /** All numbers below it are settled. */
  below: number
  stored: number
  /** Frames that are dead letters, whole or in part, and of which nothing is stored. */
  dead: number
  /** Of the stored ones: frames of which single samples became dead letters. */
  partly: number
  /** Numbers that went by before the ledger was begun. */
  unknown: number
}

/** What is known of the frames of one boot of one device. */
export interface BootState {
  readonly device: string
  readonly boot: number
  /**
   * One more than the highest believed number of a whole frame: how many frames the device is known
   * to have numbered.
   */
  next: number
  /**
   * Number of the first frame that was heard of and believed; −1 if none was, or it is not
   * known.
   */
  firstNumber: number
  /**
   * Numbers below this went by before the ledger was begun. Nobody knows whether they are stored or
   * missing.
   */
  begins: number
  readonly settled: Settled
  /**
   * Frames that have samples in the table. Those from `next` on have numbers that are not believed.
   */
  readonly stored: RangeSet
  /** Frames that became dead letters whole, whether or not a redrive has stored them since. */
  readonly dead: RangeSet
  /** Frames of which single samples became dead letters. */
  readonly partly: RangeSet
  /** Samples that the device says it discarded, in all frames whose number is known. */
  dropped: number
  /**
   * First sample of the earliest and of the latest frame, by sample time: microseconds since 1970.
   * NaN if no frame had a time of day.
   */
  firstSample: number
  lastSample: number
  /**
   * First sample of the frame with the highest number, estimated or not; NaN if none is known.
   */
  aheadSample: number
  /** Milliseconds since 1970; NaN before the first frame. */
  firstReceivedMs: number
  lastReceivedMs: number
}

/** What a boot has to know about its device. */
export interface Owner {
  readonly boots: ReadonlyMap<number, Boot>
  /** When a frame of the device was first received: milliseconds since 1970, NaN for never. */
  readonly sinceMs: number
}

/** What became of a frame's number. */
export type Numbered =
  | 'believed'
  /** Too high for the time that has passed, and noted apart. */
  | 'unbelieved'
  /** Too high too, and not noted, because there are too many of them. */
  | 'uncounted'
  /** Settled, or of a folded boot: nobody knows whether it was counted before. */
  | 'settled'

/**
 * A boot in memory. Its times are doubles from the start, NaN included: V8 then overwrites them in
 * place, without an allocation for each frame.
 */
export class Boot<Device extends Owner = Owner> implements BootState {
  readonly device: string
  readonly boot: number
  next = 0
  firstNumber = -1
  begins = 0
  readonly settled: Settled
  readonly stored: RangeSet
  readonly dead: RangeSet
  readonly partly: RangeSet
  dropped = 0
  firstSample = Number.NaN
  lastSample = Number.NaN
  aheadSample = Number.NaN
  firstReceivedMs = Number.NaN
  lastReceivedMs = Number.NaN
  readonly owner: Device
  recent: RecentNumbers | undefined = undefined
  changed = false
  /** Whether it has no row yet. */
  isNew: boolean
  /** It is in its device's row of folded boots: nothing is added to it. */
  readonly folded: boolean
  /** Round of changes in which it was last touched. */
  touched: number

  constructor(owner: Device, device: string, boot: number, round: number, written: BootState | 'folded' | undefined) {
    this.owner = owner
    this.device = device
    this.boot = boot
    this.touched = round
    this.isNew = written === undefined
    this.folded = written === 'folded'
    const state = written === 'folded' ? undefined : written
    this.settled = state?.settled ?? { below: 0, stored: 0, dead: 0, partly: 0, unknown: 0 }
    this.stored = state?.stored ?? new RangeSet()
    this.dead = state?.dead ?? new RangeSet()
    this.partly = state?.partly ?? new RangeSet()
    if (state === undefined) return
    this.next = state.next
    this.firstNumber = state.firstNumber
    this.begins = state.begins
    this.dropped = state.dropped
    this.firstSample = state.firstSample
    this.lastSample = state.lastSample
    this.aheadSample = state.aheadSample
    this.firstReceivedMs = state.firstReceivedMs
    this.lastReceivedMs = state.lastReceivedMs
  }

  /**
   * Notes a frame before it is put into one of the sets: its number, if that can be believed, and
   * when it came.
   * @param whole whether its bytes are what its schema says; if not, its number counts only if a
   *   higher one is known
   * @param time of its first sample: microseconds since 1970, NaN if nothing is known
   * @param truncated whether earlier records are gone from Kafka: a first number above 0 is no loss
   *   then
   */
  number(seq: number, whole: boolean, time: number, receivedMs: number, truncated: boolean): Numbered {
    if (this.folded || seq < this.settled.below) return 'settled'
    const first = Number.isNaN(this.firstReceivedMs)
    // What can be believed is judged by the times, so this comes before they change.
    const believed = seq < this.next || (whole && ((first && truncated) || this.canBe(seq, time, receivedMs)))
    if (first) {
      this.firstReceivedMs = receivedMs
      this.lastReceivedMs = receivedMs
      this.begins = truncated && this.owner.boots.size === 1 ? seq : 0
    }
    if (receivedMs < this.firstReceivedMs) this.firstReceivedMs = receivedMs
    if (receivedMs > this.lastReceivedMs) this.lastReceivedMs = receivedMs
    if (seq < this.begins) this.beginAt(seq)
    if (!believed)
      return this.stored.countFrom(this.next) + this.dead.countFrom(this.next) < MOST_UNBELIEVED_RANGES ? 'unbelieved' : 'uncounted'
    if (seq >= this.next) {
      this.next = seq + 1
      this.aheadSample = time
      if (this.firstNumber < 0) this.firstNumber = seq
    }
    return 'believed'
  }

  /** Adds what the device says it has discarded. False if that cannot be true. */
  drop(samples: number): boolean {
    if (samples < 0 || samples > MOST_DROPPED) return false
    this.dropped += samples
    return true
  }

  /**
   * Keeps the sets small: counts the frames with the lower half of the numbers, and forgets which
   * they were.
   */
  settle(): void {
    if (this.stored.count + this.dead.count + this.partly.count <= MOST_RANGES) return
    const largest = [this.stored, this.dead, this.partly].reduce((a, b) => (b.count > a.count ? b : a))
    const below = Math.min(largest.median, this.next)
    const { settled } = this
    const window = between(settled.below, below)
    const known = this.stored.union(this.dead).union(this.partly)
    settled.unknown += between(settled.below, Math.min(this.begins, below)).without(known).size
    settled.dead += this.dead.union(this.partly).without(this.stored).intersection(window).size
    settled.partly += this.partly.intersection(this.stored).intersection(window).size
    settled.stored += this.stored.cut(below)
    this.dead.cut(below)
    this.partly.cut(below)
    settled.below = below
  }

  private canBe(seq: number, time: number, receivedMs: number): boolean {
    const missed = seq - this.next
    if (areFew(missed)) return true
    // The first frame of a boot. The boot may have run for as long as the device has been known; if
    // the device is new, for any time.
    if (Number.isNaN(this.lastReceivedMs) || this.firstNumber < 0) {
      const { sinceMs } = this.owner
      return canHaveMissed(missed, Number.isNaN(sinceMs) ? Number.POSITIVE_INFINITY : receivedMs - sinceMs)
    }
    // A backlog may come before new frames or after them. Then the line's time says little, and the
    // device's own time tells.
    const sinceAhead = later((time - this.aheadSample) / 1000, receivedMs - this.lastReceivedMs)
    if (!canHaveMissed(missed, sinceAhead)) return false
    const seen = this.stored.size + this.dead.size + this.settled.stored + this.settled.dead
    const sinceFirst = later((time - this.firstSample) / 1000, receivedMs - this.firstReceivedMs)
    return canHaveNumbered(seq - this.firstNumber, seen, sinceFirst)
  }

  /** Takes a number below all others, of a boot that ran before the ledger was begun. */
  private beginAt(seq: number): void {
    if (!isFarBelow(seq, this.begins)) {
      this.begins = seq
      return
    }
    // The two cannot both be true. If few frames are known by the higher one, the higher one was
    // wrong.
    if (this.stored.size + this.dead.size > MOST_UNBELIEVED_RANGES) return
    this.begins = seq
    this.next = seq
    this.firstNumber = -1
  }
}

/** The longer of two times. The first may be NaN, which is not known. */
function later(byDevice: number, byLine: number): number {
  return byDevice > byLine ? byDevice : byLine
}
