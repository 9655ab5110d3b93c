/** How many rows had been stored at a moment of a load. */
export interface Point {
  readonly atMs: number
  readonly stored: number
}

export interface Judgement {
  readonly sustained: boolean
  /**
   * Rows by which the backlog grew each second from a third of the load on; negative if it
   * shrank.
   */
  readonly growthPerSecond: number
  /** Seconds of load that were on their way at the end. */
  readonly endSeconds: number
}

/**
 * Rows on their way may be this many seconds' worth: beyond, the line does not keep up, whatever
 * the slope.
 */
const MOST_BEHIND_SECONDS = 3

/** A load that is so many seconds behind need not go on to its end. */
const HOPELESS_SECONDS = 2 * MOST_BEHIND_SECONDS

/** Whether the load will not be sustained, whatever comes. */
export function isHopeless(points: readonly Point[], rowsPerSecond: number): boolean {
  const [first, last] = [points[0], points.at(-1)]
  if (first === undefined || last === undefined) return false
  return (last.atMs - first.atMs) / 1000 - (last.stored - first.stored) / rowsPerSecond > HOPELESS_SECONDS
}

/**
 * Whether the line keeps up with a load. The backlog is what should have been sent by now, by the
 * clock, less what has been stored: devices, broker and Kafka are all in it, and a generator that
 * is late cannot hide. It must not grow from a third of the load to its end, by the least-squares
 * slope; or, at the end, be no more than a growth within the tolerance leaves: a stall that the
 * line made up for under load is none.
 * @param points once a second, from the load's beginning to its end
 * @param rowsPerSecond what is to be sent
 * @param tolerance growth that counts as none, as a share of the load: batches make the points
 *   uneven
 */
export function judge(points: readonly Point[], rowsPerSecond: number, tolerance: number): Judgement {
  const [first, last] = [points[0], points.at(-1)]
  if (first === undefined || last === undefined || last.atMs <= first.atMs) throw new RangeError('a load needs two points at least')
  const from = first.atMs + (last.atMs - first.atMs) / 3
  const backlog = points.map(({ atMs, stored }) => ({
    seconds: (atMs - first.atMs) / 1000,
    rows: (rowsPerSecond * (atMs - first.atMs)) / 1000 - (stored - first.stored),
  }))
  const considered = backlog.filter((_, index) => (points[index]?.atMs ?? 0) >= from)
  const growthPerSecond = slope(considered)
  const endSeconds = (backlog.at(-1)?.rows ?? 0) / rowsPerSecond
  const steady = growthPerSecond <= tolerance * rowsPerSecond && endSeconds <= MOST_BEHIND_SECONDS
  const madeUp = endSeconds <= (tolerance * (last.atMs - from)) / 1000
  return { sustained: steady || madeUp, growthPerSecond, endSeconds }
}

function slope(points: readonly { readonly seconds: number; readonly rows: number }[]): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
  const [x, y] = [mean(points.map(({ seconds }) => seconds)), mean(points.map(({ rows }) => rows))]
  const spread = points.reduce((sum, { seconds }) => sum + (seconds - x) ** 2, 0)
  return spread === 0 ? 0 : points.reduce((sum, { seconds, rows }) => sum + (seconds - x) * (rows - y), 0) / spread
}
