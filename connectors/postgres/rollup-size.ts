/** What a transaction of the job did, and how long it took. */
export interface RollupTransaction {
  /** Hours of devices that it could take at most, and those that it took. */
  readonly asked: number
  readonly done: number
  readonly tookMs: number
}

/**
 * Transactions stay short: `millrace migrate` waits for them, and one that is killed has wasted no
 * more.
 */
const GOAL_MS = 300
/** Most hours of devices in a transaction. */
const MOST_HOURS = 500
const FIRST_HOURS = 20
/** After so many transactions of one size another one is tried: what an hour costs changes. */
const SAME_SIZE = 10

/**
 * Chooses how many hours of devices the next transaction takes. One hour may have 7 readings, or
 * 360,000; and a transaction costs something whatever it takes: with 1,500 chunks or partitions it
 * took 2.3 s for one hour, and 2.5 s for twenty. So what each hour costs is told from two sizes,
 * and hours may take as long as the goal says, or as long as the rest of the transaction takes.
 * @returns the size, given the last transaction; without one, the first size
 */
export function rollupSizes(): (last?: RollupTransaction) => number {
  let other: RollupTransaction | undefined
  let before: RollupTransaction | undefined
  let same = 0
  return (last) => {
    if (last === undefined) return FIRST_HOURS
    const { asked, done, tookMs } = last
    if (done === 0) return asked
    if (before !== undefined && before.done !== done) other = before
    before = last
    const size = Math.min(MOST_HOURS, Math.max(1, sizeAfter(last, other)))
    same = size === asked ? same + 1 : 0
    // An hour that takes longer than that takes its time by itself.
    if (same < SAME_SIZE || done < asked || tookMs > 2 * GOAL_MS * asked) return size
    same = 0
    return Math.min(MOST_HOURS, size * 2)
  }
}

function sizeAfter({ asked, done, tookMs }: RollupTransaction, other: RollupTransaction | undefined): number {
  const most = done === asked ? asked * 2 : asked
  if (tookMs < GOAL_MS / 2) return most
  const half = Math.floor(asked / 2)
  if (other === undefined) return tookMs > GOAL_MS ? half : asked
  const eachMs = Math.max(0, (tookMs - other.tookMs) / (done - other.done))
  const fixedMs = Math.max(0, tookMs - eachMs * done)
  return Math.min(most, Math.max(half, Math.floor(Math.max(GOAL_MS, fixedMs) / eachMs)))
}
