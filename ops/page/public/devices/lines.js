/** @import { LiveReading, Series } from '../../devices/messages.ts' */

/**
 * The lines of a chart: a quantity of a device and its channels.
 * @typedef {Map<string, Line>} Lines by the ID in readings
 */

/**
 * Times in seconds since 1970, then the columns of each line.
 * @typedef {[number[], ...(number | null | undefined)[][]]} PlotColumns
 */

/**
 * @typedef {object} Line
 * @property {number[]} ts milliseconds since 1970, ascending
 * @property {number[]} values
 * @property {number[]} min of each bucket; empty for readings
 * @property {number[]} max
 */

/**
 * @param {readonly Series[]} series of one quantity
 * @returns {Lines}
 */
export function linesOf(series) {
  return new Map(
    series.map(({ deviceId, ts, values, min, max }) => [deviceId, { ts: [...ts], values: [...values], min: [...min], max: [...max] }]),
  )
}

/**
 * Adds a reading where it belongs; between time buckets as one of its own. One of the same time
 * takes the place of that one.
 * @param {Lines} lines
 * @param {LiveReading} reading
 * @param {string} quantity
 * @returns {boolean} whether it has a value of the quantity
 */
export function addReading(lines, { deviceId, ts, values }, quantity) {
  const value = values[quantity]
  if (value === undefined) return false
  const line = lines.get(deviceId) ?? { ts: [], values: [], min: [], max: [] }
  lines.set(deviceId, line)
  // Most come in order: the search begins at the end.
  let at = line.ts.length
  while (at > 0 && /** @type {number} */ (line.ts[at - 1]) > ts) at--
  const same = at > 0 && line.ts[at - 1] === ts
  const place = same ? at - 1 : at
  if (!same) line.ts.splice(at, 0, ts)
  line.values.splice(place, same ? 1 : 0, value)
  if (line.min.length === 0) return true
  line.min.splice(place, same ? 1 : 0, value)
  line.max.splice(place, same ? 1 : 0, value)
  return true
}

/**
 * Forgets what is before a time, and the oldest if there are more than `most`.
 * @param {Lines} lines
 * @param {number} before
 * @param {number} most
 */
export function dropBefore(lines, before, most) {
  for (const line of lines.values()) {
    const old = line.ts.findIndex((ts) => ts >= before)
    const many = Math.max(line.ts.length - most, old === -1 ? line.ts.length : old)
    if (many <= 0) continue
    for (const column of [line.ts, line.values, line.min, line.max]) column.splice(0, many)
  }
}

/**
 * How far apart two neighbours may be before there is a gap between them. Of readings it is a
 * multiple of their usual distance: a device that sends each minute has a gap after some minutes.
 * @param {readonly number[]} ts
 * @param {number | null} everyMs length of a bucket; null for readings
 * @returns {number} milliseconds
 */
export function gapAfter(ts, everyMs) {
  if (everyMs !== null) return everyMs * 1.5
  if (ts.length < 4) return Number.POSITIVE_INFINITY
  const distances = ts.slice(1).map((each, at) => each - /** @type {number} */ (ts[at]))
  distances.sort((a, b) => a - b)
  const usual = /** @type {number} */ (distances[Math.floor(distances.length / 2)])
  return Math.max(5 * usual, 2_000)
}

/**
 * Columns as uPlot takes them: times in seconds, then value, minimum and maximum of each line. Null
 * is a gap; undefined is only that another line has a point at that time.
 * @param {Lines} lines
 * @param {readonly string[]} ids which lines, in order
 * @param {number | null} everyMs
 * @returns {PlotColumns}
 */
export function plotted(lines, ids, everyMs) {
  const all = ids.map((id) => withGaps(lines.get(id) ?? { ts: [], values: [], min: [], max: [] }, everyMs))
  const times = [...new Set(all.flatMap(({ ts }) => ts))].sort((a, b) => a - b)
  const places = new Map(times.map((time, at) => [time, at]))
  const columns = all.flatMap(({ ts, columns: own }) =>
    own.map((values) => {
      /** @type {(number | null | undefined)[]} */
      const column = new Array(times.length).fill(undefined)
      for (const [at, value] of values.entries()) column[/** @type {number} */ (places.get(/** @type {number} */ (ts[at])))] = value
      return widened(column)
    }),
  )
  return [times.map((time) => time / 1000), ...columns]
}

/**
 * Gaps reach to the points of the line beside them: uPlot would draw the line up to the times of
 * other lines that lie within.
 * @param {(number | null | undefined)[]} column
 */
function widened(column) {
  for (const step of [1, -1])
    for (let at = step === 1 ? 1 : column.length - 2; at >= 0 && at < column.length; at += step)
      if (column[at] === undefined && column[at - step] === null) column[at] = null
  return column
}

/**
 * @param {Line} line
 * @param {number | null} everyMs
 */
function withGaps({ ts, values, min, max }, everyMs) {
  const most = gapAfter(ts, everyMs)
  /** @type {number[]} */
  const times = []
  /** @type {(number | null)[][]} */
  const columns = [[], [], []]
  for (const [at, time] of ts.entries()) {
    const before = ts[at - 1]
    if (before !== undefined && time - before > most) {
      times.push((before + time) / 2)
      for (const column of columns) column.push(null)
    }
    times.push(time)
    const value = /** @type {number} */ (values[at])
    columns[0]?.push(value)
    columns[1]?.push(min[at] ?? value)
    columns[2]?.push(max[at] ?? value)
  }
  return { ts: times, columns }
}

/**
 * A few rows that stand for a line, for whoever cannot see it: each the mean, smallest and largest
 * value of a part of the time.
 * @param {Line} line
 * @param {number} rows most rows
 * @returns {{ from: number, to: number, mean: number, min: number, max: number }[]}
 */
export function summarised({ ts, values, min, max }, rows) {
  const each = Math.ceil(ts.length / rows)
  const found = []
  for (let at = 0; at < ts.length; at += each) {
    const part = values.slice(at, at + each)
    found.push({
      from: /** @type {number} */ (ts[at]),
      to: /** @type {number} */ (ts[Math.min(at + each, ts.length) - 1]),
      mean: part.reduce((sum, value) => sum + value, 0) / part.length,
      min: Math.min(...(min.length > 0 ? min.slice(at, at + each) : part)),
      max: Math.max(...(max.length > 0 ? max.slice(at, at + each) : part)),
    })
  }
  return found
}
