/**
 * Upper bounds of the buckets of durations, in seconds: from a commit on loopback to a day on a
 * flash chip.
 */
export const DURATION_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200, 86_400] as const

/** How often durations fell into each bucket. Counting one takes a few comparisons. */
export class Distribution {
  private readonly counts = new Float64Array(DURATION_BUCKETS.length + 1)
  private summed = 0

  /** @param seconds negative if a clock is ahead; then it counts as 0 */
  add(seconds: number): void {
    const duration = Math.max(0, seconds)
    let bucket = 0
    while (bucket < DURATION_BUCKETS.length && duration > (DURATION_BUCKETS[bucket] as number)) bucket++
    this.counts[bucket] = (this.counts[bucket] as number) + 1
    this.summed += duration
  }

  get sum(): number {
    return this.summed
  }

  get count(): number {
    return this.counts.reduce((all, each) => all + each, 0)
  }

  /** How many were at most as long as each bound, the last one being Infinity. */
  *cumulative(): Iterable<readonly [bound: number, count: number]> {
    let upTo = 0
    for (const [index, count] of this.counts.entries()) {
      upTo += count
      yield [DURATION_BUCKETS[index] ?? Number.POSITIVE_INFINITY, upTo]
    }
  }
}
