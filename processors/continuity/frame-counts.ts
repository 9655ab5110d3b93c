import type { BootState } from './boot.ts'
import { canHaveMissed } from './limits.ts'
import { between, type Range, RangeSet } from './ranges.ts'

/** How many frames are where. */
export interface FrameCounts {
  numbered: number
  stored: number
  deadLettered: number
  inFlight: number
  missing: number
}

/** The frames of one boot. */
export interface BootCounts extends FrameCounts {
  readonly device: string
  readonly boot: number
  readonly missingNumbers: readonly Range[]
  readonly deadLetteredNumbers: readonly Range[]
  /** Of the stored ones: frames of which single samples became dead letters. */
  readonly partlyDead: number
  /** Numbers that went by before the ledger was begun. */
  readonly unknown: number
  /** Samples that the device says it discarded. */
  readonly dropped: number
  /**
   * Frames with numbers too high for the time that has passed: they are in no other figure, and no
   * other number is called missing because of them.
   */
  readonly implausible: number
  /** Numbers below it are counted, but no longer named. */
  readonly settledBelow: number
  readonly lastReceivedMs: number
}

/** Frames of one boot on their way. */
export interface Flight {
  readonly numbers: RangeSet
  /** When the last of them was received: milliseconds since 1970. */
  readonly receivedMs: number
}

export const NO_FLIGHT: Flight = { numbers: new RangeSet(), receivedMs: Number.NaN }

export function noCounts(): FrameCounts {
  return { numbered: 0, stored: 0, deadLettered: 0, inFlight: 0, missing: 0 }
}

export function addCounts(to: FrameCounts, from: FrameCounts): void {
  to.numbered += from.numbered
  to.stored += from.stored
  to.deadLettered += from.deadLettered
  to.inFlight += from.inFlight
  to.missing += from.missing
}

/** Whether every numbered frame is in exactly one of the four other states. */
export function addsUp({ numbered, stored, deadLettered, inFlight, missing }: FrameCounts): boolean {
  return numbered === stored + deadLettered + inFlight + missing
}

/**
 * Says where the frame of each number of a boot is. Stored wins over everything. A frame that is on
 * its way again, as after a redrive, is in flight and not dead-lettered.
 * @param flight frames read from the line that no step has finished
 * @param redriven numbers of frames that were stored past the line, by a redrive of the store's
 *   dead letters
 */
export function countsOf(state: BootState, flight: Flight, redriven: RangeSet): BootCounts {
  const { settled } = state
  const end = believedEnd(state, flight)
  const window = between(settled.below, end)
  const stored = state.stored.union(redriven).intersection(window)
  const flying = flight.numbers.intersection(window).without(stored)
  const dead = state.dead.union(state.partly).intersection(window).without(stored).without(flying)
  const known = stored.union(flying).union(dead)
  const unknown = between(settled.below, Math.min(state.begins, end)).without(known)
  const missing = window.without(unknown).without(known)
  const settledMissing = settled.below - settled.stored - settled.dead - settled.unknown
  return {
    device: state.device,
    boot: state.boot,
    numbered: end - unknown.size - settled.unknown,
    stored: stored.size + settled.stored,
    deadLettered: dead.size + settled.dead,
    inFlight: flying.size,
    missing: missing.size + settledMissing,
    missingNumbers: missing.ranges(),
    deadLetteredNumbers: dead.ranges(),
    partlyDead: state.partly.intersection(stored).size + settled.partly,
    unknown: unknown.size + settled.unknown,
    dropped: state.dropped,
    implausible: state.stored.union(state.dead).union(state.partly).union(flight.numbers).from(end).size,
    settledBelow: settled.below,
    lastReceivedMs: state.lastReceivedMs,
  }
}

/** One more than the highest number that is believed, frames on their way included. */
function believedEnd({ next, lastReceivedMs }: BootState, { numbers, receivedMs }: Flight): number {
  let end = next
  const elapsedMs = Number.isNaN(lastReceivedMs) ? Number.POSITIVE_INFINITY : receivedMs - lastReceivedMs
  for (const { first, last } of numbers.from(next).ranges()) {
    if (!canHaveMissed(first - end, elapsedMs)) break
    end = last + 1
  }
  return end
}

/** Numbers as a set. They come sorted, and may repeat. */
export function setOf(numbers: Iterable<number>): RangeSet {
  const set = new RangeSet()
  for (const number of numbers) set.add(number)
  return set
}
