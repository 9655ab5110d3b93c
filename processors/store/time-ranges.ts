/**
 * From the first instant up to, not including, the last: milliseconds since 1970. May be infinite.
 */
export interface TimeRange {
  readonly fromMs: number
  readonly toMs: number
}

export const HOUR_MS = 3_600_000
export const DAY_MS = 86_400_000

/** The UTC day, counted from 1970-01-01. */
export function dayRange(day: number): TimeRange {
  return { fromMs: day * DAY_MS, toMs: (day + 1) * DAY_MS }
}

export function overlaps(one: TimeRange, other: TimeRange): boolean {
  return one.fromMs < other.toMs && other.fromMs < one.toMs
}

/** What of a range none of the others has, in order. */
export function gaps(range: TimeRange, taken: readonly TimeRange[]): readonly TimeRange[] {
  const found: TimeRange[] = []
  let fromMs = range.fromMs
  for (const each of taken.filter((other) => overlaps(range, other)).sort((one, other) => one.fromMs - other.fromMs)) {
    if (each.fromMs > fromMs) found.push({ fromMs, toMs: each.fromMs })
    fromMs = Math.max(fromMs, each.toMs)
  }
  if (fromMs < range.toMs) found.push({ fromMs, toMs: range.toMs })
  return found
}

/**
 * Cuts a range at full hours, so that each piece has at most so many rows. An hour is not cut
 * further.
 * @param rowsByHour rows of each hour since 1970 that has some
 */
export function pieces(range: TimeRange, rowsByHour: ReadonlyMap<number, number>, mostRows: number): readonly TimeRange[] {
  const cut: TimeRange[] = []
  let { fromMs } = range
  let rows = 0
  for (const [hour, count] of [...rowsByHour].sort(([one], [other]) => one - other)) {
    const beginsMs = hour * HOUR_MS
    if (rows > 0 && rows + count > mostRows && beginsMs > fromMs && beginsMs < range.toMs) {
      cut.push({ fromMs, toMs: beginsMs })
      fromMs = beginsMs
      rows = 0
    }
    rows += count
  }
  cut.push({ fromMs, toMs: range.toMs })
  return cut
}
