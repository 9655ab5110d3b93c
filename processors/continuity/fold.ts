import { addCounts, type BootCounts, noCounts } from './frame-counts.ts'
import { MOST_FOLDED_RANGES } from './limits.ts'
import { RangeSet, squeezed } from './ranges.ts'

/**
 * Boots of one device that have one row together. What became of their frames is counted, and no
 * longer known one by one.
 */
export class Fold {
  readonly device: string
  /** How many. */
  boots = 0
  /** Their numbers. If these are very many and far apart, a few others are among them. */
  numbers = new RangeSet()
  readonly frames = noCounts()
  partlyDead = 0
  unknown = 0
  dropped = 0
  implausible = 0
  /** Milliseconds since 1970; NaN if there is no boot. */
  firstReceivedMs = Number.NaN
  lastReceivedMs = Number.NaN

  constructor(device: string) {
    this.device = device
  }
}

/** Adds boots to the row of their device. */
export function foldInto(fold: Fold, boots: readonly { readonly counts: BootCounts; readonly firstReceivedMs: number }[]): void {
  for (const { counts, firstReceivedMs } of boots) {
    fold.boots++
    addCounts(fold.frames, counts)
    fold.partlyDead += counts.partlyDead
    fold.unknown += counts.unknown
    fold.dropped += counts.dropped
    fold.implausible += counts.implausible
    if (!(fold.firstReceivedMs <= firstReceivedMs)) fold.firstReceivedMs = firstReceivedMs
    if (!(fold.lastReceivedMs >= counts.lastReceivedMs)) fold.lastReceivedMs = counts.lastReceivedMs
  }
  // Sorted first: each number then comes after the highest, which costs no search.
  const numbers = new RangeSet()
  for (const boot of boots.map(({ counts }) => counts.boot).sort((a, b) => a - b)) numbers.add(boot)
  fold.numbers = squeezed(fold.numbers.union(numbers), MOST_FOLDED_RANGES)
}
