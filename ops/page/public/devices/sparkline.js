/** @import { Series } from '../../devices/messages.ts' */
import { svg } from '../dom.js'

const WIDTH = 160
const HEIGHT = 32
const HOUR_MS = 3_600_000

/**
 * The same for all lines of a site, so that one that is off lies elsewhere.
 * @typedef {object} Frame
 * @property {number} from
 * @property {number} to
 * @property {number} low
 * @property {number} high
 */

/**
 * A line of means by the hour, with the lowest and highest of each hour behind it. Its figures are
 * in the table beside it, so it is hidden from whoever hears the page.
 * @param {Series | undefined} series
 * @param {Frame} frame
 */
export function sparkline(series, { from, to, low, high }) {
  const x = (/** @type {number} */ time) => (((time + HOUR_MS / 2 - from) / (to - from)) * WIDTH).toFixed(1)
  const y = (/** @type {number} */ value) => (HEIGHT - 2 - ((value - low) / (high - low || 1)) * (HEIGHT - 4)).toFixed(1)
  const drawn = svg('svg', {
    class: 'sparkline',
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    width: WIDTH,
    height: HEIGHT,
    'aria-hidden': 'true',
    focusable: 'false',
  })
  for (const run of runsOf(series)) {
    const edge = [
      ...run.map(({ time, max }) => `${x(time)},${y(max)}`),
      ...[...run].reverse().map(({ time, min }) => `${x(time)},${y(min)}`),
    ]
    drawn.append(svg('polygon', { points: edge.join(' ') }))
    const [first] = run
    if (run.length === 1 && first !== undefined) drawn.append(svg('circle', { cx: x(first.time), cy: y(first.value), r: 1.5 }))
    else drawn.append(svg('polyline', { points: run.map(({ time, value }) => `${x(time)},${y(value)}`).join(' ') }))
  }
  return drawn
}

/**
 * Hours that follow each other: where one is missing there is a gap.
 * @param {Series | undefined} series
 */
function runsOf(series) {
  /** @type {{ time: number, value: number, min: number, max: number }[][]} */
  const runs = []
  for (const [at, time] of (series?.ts ?? []).entries()) {
    const value = /** @type {number} */ (series?.values[at])
    const point = { time, value, min: series?.min[at] ?? value, max: series?.max[at] ?? value }
    const last = runs.at(-1)
    if (last !== undefined && time - (last.at(-1)?.time ?? 0) <= HOUR_MS) last.push(point)
    else runs.push([point])
  }
  return runs
}
