/** @import { GroupState, LagHistory, LagPoint, LagState } from '../../line/messages.ts' */
/** @import { TrendState } from '../../line/messages.ts' */
/** @import { Page } from '../page.js' */
import { chart } from '../chart.js'
import { element, setChildren } from '../dom.js'
import { count, duration, rate } from '../format.js'
import { table } from '../table.js'

/** So much is kept and shown. */
const SHOWN_MS = 15 * 60_000
const TONES = { stalled: 'bad', 'falling behind': 'warn', unknown: 'quiet' }

/** If nobody looked for so long, the lines have a gap. */
const GAP_MS = 10_000

/** @type {import('../table.js').Column<TrendState>[]} */
const trend = [
  { name: 'lag', text: ({ lag }) => count(lag), number: true },
  { name: 'time lag', text: ({ timeLagSeconds }) => duration(timeLagSeconds), number: true },
  { name: 'in/s', text: ({ inPerSecond }) => rate(inPerSecond), number: true },
  { name: 'out/s', text: ({ outPerSecond }) => rate(outPerSecond), number: true },
  { name: 'state', text: ({ state }) => state, tone: ({ state }) => TONES[/** @type {keyof typeof TONES} */ (state)] ?? '' },
  { name: 'caught up in', text: ({ lag, catchUpSeconds }) => (lag === 0 ? '' : duration(catchUpSeconds)), number: true },
]

/**
 * How far each consumer group is behind, why, and how that went in the last minutes.
 * @param {HTMLElement} place
 * @param {Page} page
 */
export async function mount(place, page) {
  const groups = table(
    'Consumer groups',
    [
      { name: 'group', text: (/** @type {GroupState} */ { group }) => group },
      ...trend,
      { name: 'why', text: (/** @type {GroupState} */ { causes }) => causes.join('\n'), wide: true },
    ],
    ({ group }) => group,
  )
  const charts = element('div')
  const partitions = table(
    'Partitions on which something is left to read',
    [{ name: 'partition', text: (/** @type {PartitionRow} */ { group, topic, partition }) => `${group}: ${topic}/${partition}` }, ...trend],
    ({ group, topic, partition }) => `${group} ${topic}/${partition}`,
  )
  place.append(groups.element, charts, partitions.element)
  const history = createHistory(charts, page.signal)
  page.watch('lag', (/** @type {LagState} */ state) => {
    groups.update(state.groups)
    partitions.update(
      state.groups.flatMap(({ group, partitions: all }) => all.filter(({ lag }) => lag !== 0).map((each) => ({ group, ...each }))),
    )
    history.add([pointOf(state)])
  })
  /** @type {LagHistory} */
  const { points } = await page.get('line/lag-history')
  history.add(points)
}

/**
 * @typedef {object} PartitionPlace
 * @property {string} group
 * @property {string} topic
 * @property {number} partition
 */
/** @typedef {TrendState & PartitionPlace} PartitionRow */

/**
 * @param {LagState} state
 * @returns {LagPoint}
 */
function pointOf({ at, groups }) {
  return { at, groups: Object.fromEntries(groups.map(({ group, lag, timeLagSeconds }) => [group, { lag, timeLagSeconds }])) }
}

/**
 * @param {HTMLElement} place
 * @param {AbortSignal} signal
 */
function createHistory(place, signal) {
  /** @type {LagPoint[]} */
  let points = []
  /** @type {{ names: string, update: (points: readonly LagPoint[]) => void } | undefined} */
  let shown
  return {
    /** @param {readonly LagPoint[]} more */
    add(more) {
      const byTime = new Map([...points, ...more].map((point) => [point.at, point]))
      const newest = Math.max(...byTime.keys(), 0)
      points = [...byTime.values()].filter(({ at }) => at >= newest - SHOWN_MS).sort((a, b) => a.at - b.at)
      const drawn = points.flatMap((point, index) => [...gapBefore(point, points[index - 1]), point])
      const names = [...new Set(points.flatMap(({ groups }) => Object.keys(groups)))]
      if (names.length === 0) return
      if (shown?.names !== names.join(' ')) shown = { names: names.join(' '), update: draw(place, names, signal) }
      shown.update(drawn)
    },
  }
}

/**
 * A point of which nothing is known, if there is a gap.
 * @param {LagPoint} point
 * @param {LagPoint | undefined} before
 * @returns {readonly LagPoint[]}
 */
function gapBefore(point, before) {
  return before !== undefined && point.at - before.at > GAP_MS ? [{ at: before.at + 1, groups: {} }] : []
}

/**
 * @param {HTMLElement} place
 * @param {readonly string[]} names
 * @param {AbortSignal} signal
 * @returns {(points: readonly LagPoint[]) => void}
 */
function draw(place, names, signal) {
  const seconds = chart({ caption: 'Time lag of the last minutes', series: names, format: duration, fromZero: true, signal })
  const records = chart({ caption: 'Records not read yet, of the last minutes', series: names, format: count, fromZero: true, signal })
  setChildren(place, seconds.element, records.element)
  return (points) => {
    const times = points.map(({ at }) => at)
    const of = (/** @type {'lag' | 'timeLagSeconds'} */ kind) =>
      names.map((name) => points.map(({ groups }) => groups[name]?.[kind] ?? null))
    seconds.update(times, of('timeLagSeconds'))
    records.update(times, of('lag'))
  }
}
