/** @import { PlotColumns } from './lines.js' */
import uPlot from '../vendor/uplot/uPlot.esm.js'
import { figure, tickLabels } from './figures.js'

export const HEIGHT = 190
/** Columns of a line: value, minimum, maximum. */
export const COLUMNS = 3

/** Lines are told apart by dashes too. */
const DASHES = [[], [10, 4], [3, 3], [10, 4, 3, 4], [16, 4], [3, 6]]
const COLOURS = 6
/** A shorter mark was meant as a click. */
const LEAST_MARK = 8

/**
 * @typedef {object} PlotOptions
 * @property {number} lines
 * @property {string} group charts of a group have their cursors at the same time
 * @property {() => { readonly from: number, readonly to: number }} shown milliseconds since 1970
 * @property {(from: number, to: number) => void} marked somebody has marked these times
 * @property {() => void} doubleClicked
 * @property {(at: number | null | undefined) => void} cursor is at this point of the data
 */

/**
 * Lines with a band between their lowest and highest values, on a canvas in the colours that the
 * page has now.
 * @param {HTMLElement} place
 * @param {PlotColumns} data
 * @param {PlotOptions} options
 */
export function makePlot(place, data, { lines, group, shown, marked, doubleClicked, cursor }) {
  const style = getComputedStyle(document.documentElement)
  const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim()
  const hairline = { stroke: colour('--hairline'), width: 1 }
  const axis = { stroke: colour('--quiet'), grid: hairline, ticks: hairline }
  const strokes = Array.from({ length: lines }, (_, at) => colour(`--line-${(at % COLOURS) + 1}`))
  const edge = { stroke: 'transparent', points: { show: false } }
  return new uPlot(
    {
      width: widthOf(place),
      height: HEIGHT,
      // The last label of the axis may stand at the edge.
      padding: [null, 34, null, null],
      legend: { show: false },
      scales: { x: { time: true, range: () => [shown().from / 1000, shown().to / 1000] }, y: { range: yRange } },
      axes: [
        { ...axis, values: (_self, splits, _axis, _space, distance) => tickLabels(splits, distance) },
        { ...axis, size: 62, values: (_self, splits) => splits.map(figure) },
      ],
      series: [
        {},
        ...strokes.flatMap((stroke, at) => [
          { stroke, dash: DASHES[at % DASHES.length] ?? [], width: 2, points: { show: isSparse, size: 5, fill: stroke } },
          edge,
          edge,
        ]),
      ],
      bands: strokes.map((stroke, at) => ({
        series: /** @type {[number, number]} */ ([at * COLUMNS + 3, at * COLUMNS + 2]),
        fill: `color-mix(in srgb, ${stroke} 22%, transparent)`,
      })),
      cursor: {
        // What is marked on one chart is not to be marked on each.
        sync: { key: group, setSeries: false, filters: { pub: (type) => type === 'mousemove' || type === 'mouseleave', sub: () => true } },
        drag: { x: true, y: false, setScale: false, dist: LEAST_MARK },
        bind: {
          dblclick: () => () => {
            doubleClicked()
            return null
          },
        },
      },
      hooks: {
        setSelect: [
          (self) => {
            const { left, width } = self.select
            if (width < LEAST_MARK) return
            const [from, to] = [self.posToVal(left, 'x') * 1000, self.posToVal(left + width, 'x') * 1000]
            self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
            marked(from, to)
          },
        ],
        setCursor: [(self) => cursor(self.cursor.idx)],
      },
    },
    aligned(data),
    place,
  )
}

/**
 * As uPlot's types have it: a column may have undefined too.
 * @param {PlotColumns} data
 * @returns {import('uplot').AlignedData}
 */
export function aligned(data) {
  return /** @type {import('uplot').AlignedData} */ (data)
}

/** @param {HTMLElement} place */
export function widthOf(place) {
  return Math.max(240, place.clientWidth)
}

/**
 * Room above and below, and a flat line in the middle.
 * @param {uPlot} _self
 * @param {number | null} min
 * @param {number | null} max
 * @returns {[number, number]}
 */
function yRange(_self, min, max) {
  if (min === null || max === null) return [0, 1]
  const room = max > min ? (max - min) * 0.08 : Math.max(Math.abs(max) * 0.05, 0.5)
  return [min - room, max + room]
}

/**
 * Points are drawn if there are few: one between two gaps would not be seen.
 * @param {uPlot} self
 * @param {number} _line
 * @param {number} from
 * @param {number} to
 */
function isSparse(self, _line, from, to) {
  return to - from < self.width / 12
}
