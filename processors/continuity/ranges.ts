/** A span of whole numbers, both ends included. */
export interface Range {
  readonly first: number
  readonly last: number
}

/**
 * A set of whole numbers up to 2^53 − 1, kept as ranges that neither overlap nor touch. Its size in
 * memory is that of its gaps, not of its numbers: a device that loses nothing costs one range
 * however long it runs.
 */
export class RangeSet {
  /** First and last of each range in turn, ascending. */
  private readonly bounds: number[]

  constructor(ranges: Iterable<Range> = []) {
    this.bounds = []
    for (const { first, last } of ranges) {
      const end = this.bounds.length
      if (first > last || (end > 0 && first <= (this.bounds[end - 1] as number) + 1))
        throw new RangeError(`ranges: expected them ascending and apart, got ${first}–${last} after ${this.bounds.slice(-2).join('–')}`)
      this.bounds.push(first, last)
    }
  }

  /**
   * Adds a number; false if it was there. The next number after the highest, which is nearly
   * every one, costs no search.
   */
  add(number: number): boolean {
    const { bounds } = this
    const end = bounds.length
    if (end === 0 || number > (bounds[end - 1] as number) + 1) {
      bounds.push(number, number)
      return true
    }
    if (number === (bounds[end - 1] as number) + 1) {
      bounds[end - 1] = number
      return true
    }
    const at = this.search(number)
    if (number >= (bounds[at] as number)) return false
    const meetsNext = number + 1 === bounds[at]
    const meetsPrevious = at > 0 && (bounds[at - 1] as number) + 1 === number
    if (meetsNext && meetsPrevious) bounds.splice(at - 1, 2)
    else if (meetsNext) bounds[at] = number
    else if (meetsPrevious) bounds[at - 1] = number
    else bounds.splice(at, 0, number, number)
    return true
  }

  has(number: number): boolean {
    const { bounds } = this
    if (bounds.length === 0 || number > (bounds[bounds.length - 1] as number)) return false
    return number >= (bounds[this.search(number)] as number)
  }

  /** How many numbers are in the set. */
  get size(): number {
    let size = 0
    for (let at = 0; at < this.bounds.length; at += 2) size += (this.bounds[at + 1] as number) - (this.bounds[at] as number) + 1
    return size
  }

  /** How many ranges it takes. */
  get count(): number {
    return this.bounds.length / 2
  }

  /** How many ranges have numbers from this one on. */
  countFrom(number: number): number {
    return number > this.highest ? 0 : this.count - this.search(number) / 2
  }

  /** The numbers from this one on. */
  from(number: number): RangeSet {
    return number > this.highest ? new RangeSet() : this.intersection(between(number, this.highest + 1))
  }

  /** The first number of the range in the middle; −1 if there is none. */
  get median(): number {
    return this.bounds[2 * Math.floor(this.count / 2)] ?? -1
  }

  /** Takes the numbers below this one out, and says how many they were. */
  cut(number: number): number {
    const size = this.size
    const rest = this.without(upTo(number))
    this.bounds.splice(0, this.bounds.length, ...rest.bounds)
    return size - this.size
  }

  /** The highest number, or −1. */
  get highest(): number {
    return this.bounds.at(-1) ?? -1
  }

  /** Ascending. */
  ranges(): readonly Range[] {
    const ranges: Range[] = []
    for (let at = 0; at < this.bounds.length; at += 2)
      ranges.push({ first: this.bounds[at] as number, last: this.bounds[at + 1] as number })
    return ranges
  }

  union(other: RangeSet): RangeSet {
    return this.combined(other, (mine, others) => mine || others)
  }

  intersection(other: RangeSet): RangeSet {
    return this.combined(other, (mine, others) => mine && others)
  }

  without(other: RangeSet): RangeSet {
    return this.combined(other, (mine, others) => mine && !others)
  }

  /** One sweep over both sets' bounds: `keep` says which parts are in the result. */
  private combined(other: RangeSet, keep: (mine: boolean, others: boolean) => boolean): RangeSet {
    const ranges: Range[] = []
    let [mine, others] = [0, 0]
    let first: number | undefined
    while (mine < this.bounds.length || others < other.bounds.length) {
      const at = Math.min(edge(this.bounds, mine), edge(other.bounds, others))
      if (edge(this.bounds, mine) === at) mine++
      if (edge(other.bounds, others) === at) others++
      const kept = keep(mine % 2 === 1, others % 2 === 1)
      if (kept) first ??= at
      else if (first !== undefined) {
        ranges.push({ first, last: at - 1 })
        first = undefined
      }
    }
    return new RangeSet(ranges)
  }

  /**
   * Index of the first bound of the first range that ends at or after the number, which must not be
   * above the highest.
   */
  private search(number: number): number {
    const { bounds } = this
    let [low, high] = [0, bounds.length / 2 - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((bounds[2 * middle + 1] as number) < number) low = middle + 1
      else high = middle
    }
    return 2 * low
  }
}

/** Where membership changes: at a range's first number, and just after its last. */
function edge(bounds: readonly number[], index: number): number {
  const bound = bounds[index]
  if (bound === undefined) return Number.POSITIVE_INFINITY
  return index % 2 === 0 ? bound : bound + 1
}

/** The numbers from 0 up to, not including, `end`. */
export function upTo(end: number): RangeSet {
  return new RangeSet(end > 0 ? [{ first: 0, last: end - 1 }] : [])
}

/** The numbers from `first` up to, not including, `end`. */
export function between(first: number, end: number): RangeSet {
  return new RangeSet(end > first ? [{ first, last: end - 1 }] : [])
}

/**
 * The set with at most so many ranges: those nearest to each other become one, with the numbers
 * between them.
 */
export function squeezed(set: RangeSet, most: number): RangeSet {
  const ranges = set.ranges()
  if (ranges.length <= most) return set
  const gaps = ranges.slice(1).map(({ first }, index) => first - (ranges[index]?.last ?? first))
  const closed = new Set(
    gaps
      .map((gap, index) => ({ gap, index }))
      .sort((a, b) => a.gap - b.gap)
      .slice(0, ranges.length - most)
      .map(({ index }) => index),
  )
  const kept: { first: number; last: number }[] = []
  for (const [index, { first, last }] of ranges.entries()) {
    const before = kept.at(-1)
    if (before !== undefined && closed.has(index - 1)) before.last = last
    else kept.push({ first, last })
  }
  return new RangeSet(kept)
}

/** As people write it: 12–15, 40. */
export function formatRanges(ranges: readonly Range[]): string {
  return ranges.map(({ first, last }) => (first === last ? String(first) : `${first}–${last}`)).join(', ')
}
