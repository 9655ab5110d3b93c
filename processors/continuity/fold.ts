import { type Account, addAccount, type BootAccount, emptyAccount } from './account.ts'
import { MOST_FOLDED_RANGES } from './limits.ts'
import { RangeSet, squeezed } from './ranges.ts'

/** Boots of one device that are one row together: what became of their frames is counted, and no longer known one by one. */
export interface Fold {
  readonly device: string
  /** How many. */
  boots: number
  /** Which; a few more where they are very many and far apart. */
  numbers: RangeSet
  readonly frames: Account
  partlyDead: number
  unknown: number
  dropped: number
  implausible: number
  /** Milliseconds since 1970; NaN where there is no boot. */
  firstReceivedMs: number
  lastReceivedMs: number
}

export function emptyFold(device: string): Fold {
  return {
    device,
    boots: 0,
    numbers: new RangeSet(),
    frames: emptyAccount(),
    partlyDead: 0,
    unknown: 0,
    dropped: 0,
    implausible: 0,
    firstReceivedMs: Number.NaN,
    lastReceivedMs: Number.NaN,
  }
}

/** Adds boots to the row of their device. */
export function foldInto(fold: Fold, boots: readonly { readonly account: BootAccount; readonly firstReceivedMs: number }[]): void {
  for (const { account, firstReceivedMs } of boots) {
    fold.boots++
    addAccount(fold.frames, account)
    fold.partlyDead += account.partlyDead
    fold.unknown += account.unknown
    fold.dropped += account.dropped
    fold.implausible += account.implausible
    if (!(fold.firstReceivedMs <= firstReceivedMs)) fold.firstReceivedMs = firstReceivedMs
    if (!(fold.lastReceivedMs >= account.lastReceivedMs)) fold.lastReceivedMs = account.lastReceivedMs
  }
  // Sorted first: each is then the next after the highest, which costs no search.
  const numbers = new RangeSet()
  for (const boot of boots.map(({ account }) => account.boot).sort((a, b) => a - b)) numbers.add(boot)
  fold.numbers = squeezed(fold.numbers.union(numbers), MOST_FOLDED_RANGES)
}
