import type { BootState } from './ledger.ts'
import { type Range, RangeSet, upTo } from './ranges.ts'

/** How many frames are where. */
export interface Account {
  numbered: number
  stored: number
  deadLettered: number
  inFlight: number
  missing: number
}

/** The frames of one boot. */
export interface BootAccount extends Account {
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
  readonly lastReceivedMs: number
}

export function emptyAccount(): Account {
  return { numbered: 0, stored: 0, deadLettered: 0, inFlight: 0, missing: 0 }
}

export function addAccount(to: Account, from: Account): void {
  to.numbered += from.numbered
  to.stored += from.stored
  to.deadLettered += from.deadLettered
  to.inFlight += from.inFlight
  to.missing += from.missing
}

/** Whether every numbered frame is in exactly one of the four other states. */
export function addsUp({ numbered, stored, deadLettered, inFlight, missing }: Account): boolean {
  return numbered === stored + deadLettered + inFlight + missing
}

/**
 * Says of each number of a boot where its frame is. Stored wins over everything; a frame that is on its way again, as after a redrive, is in
 * flight rather than dead-lettered.
 * @param inFlight numbers read from the line that no step has finished
 * @param redriven numbers of frames that were stored past the line, by a redrive of the store's dead letters
 */
export function accountOf(state: BootState, inFlight: RangeSet, redriven: RangeSet): BootAccount {
  const stored = state.stored.union(redriven)
  const end = Math.max(state.next, inFlight.highest + 1)
  const flying = inFlight.without(stored)
  const dead = state.dead.union(state.partly).without(stored).without(flying).intersection(upTo(end))
  const known = stored.union(flying).union(dead)
  const unknown = upTo(Math.min(state.begins, end)).without(known)
  const missing = upTo(end).without(unknown).without(known)
  return {
    device: state.device,
    boot: state.boot,
    numbered: end - unknown.size,
    stored: stored.size,
    deadLettered: dead.size,
    inFlight: flying.size,
    missing: missing.size,
    missingNumbers: missing.ranges(),
    deadLetteredNumbers: dead.ranges(),
    partlyDead: state.partly.intersection(stored).size,
    unknown: unknown.size,
    dropped: state.dropped,
    lastReceivedMs: state.lastReceivedMs,
  }
}

/** Sorted numbers, with repeats, as a set. */
export function setOf(numbers: Iterable<number>): RangeSet {
  const set = new RangeSet()
  for (const number of numbers) set.add(number)
  return set
}
