/** @import { QuantityFacts } from '../../devices/messages.ts' */
/** @import { Lines } from './lines.js' */
/** @import { Span } from './span.js' */
import { element, setChildren, setText } from '../dom.js'
import uPlot from '../vendor/uplot/uPlot.esm.js'
import { figure, lengthOf, momentOf, tickLabels, withUnit } from './figures.js'
import { plotted, summarised } from './lines.js'
import { followFingers } from './pointers.js'

/** Colours are told apart by dashes too. */
const DASHES = [[], [10, 4], [3, 3], [10, 4, 3, 4], [16, 4], [3, 6]]
const HEIGHT = 190
/** Rows of the table that stands for the chart. */
const ROWS = 12
/** What a screen reader says waits until the cursor rests. */
const REST_MS = 400
/** Columns of a line: value, minimum, maximum. */
const COLUMNS = 3

/**
 * What a chart asks for.
 * @typedef {object} ChartMoves
 * @property {(from: number, to: number) => void} between somebody has marked these times
 * @property {(factor: number, around?: number) => void} zoom
 * @property {(share: number) => void} pan
 * @property {() => void} back to the span before
 */

/**
 * A chart of one quantity: a line for the device and for each of its channels.
 * @param {QuantityFacts} quantity
 * @param {(id: string) => string} nameOf of a line
 * @param {ChartMoves} moves
 * @param {{ readonly group: string, readonly signal: AbortSignal }} options charts of a group have
 *   their cursors at the same time
 */
export function createChart(quantity, nameOf, moves, { group, signal }) {
  const title = quantity.name.replaceAll('_', ' ')
  const id = `chart-${quantity.name}`
  const newest = element('span', { class: 'newest' })
  const caption = element('figcaption', { id }, `${title}${quantity.unit === '' ? '' : ` (${quantity.unit})`} `, newest)
  const plot = element('div', {
    class: 'plot',
    tabindex: 0,
    role: 'application',
    'aria-roledescription': 'chart',
    'aria-labelledby': id,
    'aria-describedby': 'chart-keys',
  })
  const legend = element('ul', { class: 'lines' })
  const spoken = element('p', { class: 'hidden-but-read', role: 'status' })
  const body = element('tbody')
  const rows = element(
    'table',
    {},
    element('caption', {}, `${title}, in parts of the time shown`),
    element(
      'thead',
      {},
      element('tr', {}, ...['line', 'from', 'to', 'mean', 'lowest', 'highest'].map((name) => element('th', { scope: 'col' }, name))),
    ),
    body,
  )
  const figureElement = element(
    'figure',
    { class: 'chart', 'aria-labelledby': id },
    caption,
    plot,
    legend,
    spoken,
    element('div', { class: 'hidden-but-read' }, rows),
  )

  /** @type {readonly string[]} */
  let ids = []
  /** @type {{ readonly from: number, readonly to: number }} */
  let span = { from: 0, to: 1 }
  /** @type {[number[], ...(number | null | undefined)[][]]} */
  let data = [[]]
  /** @type {uPlot | undefined} */
  let chart
  let focused = false
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let resting

  const dark = matchMedia('(prefers-color-scheme: dark)')
  dark.addEventListener('change', () => build(), { signal })
  const resized = new ResizeObserver(() => chart?.setSize({ width: widthOf(plot), height: HEIGHT }))
  resized.observe(plot)
  signal.addEventListener('abort', () => {
    resized.disconnect()
    clearTimeout(resting)
    chart?.destroy()
  })
  plot.addEventListener('focus', () => {
    focused = true
    if (chart !== undefined && chart.cursor.idx == null) step(0, data[0].length - 1)
  })
  plot.addEventListener('blur', () => {
    focused = false
  })
  plot.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || !pressed(event.key, event.shiftKey)) return
    event.preventDefault()
  })
  plot.addEventListener(
    'wheel',
    (event) => {
      // Alone it scrolls the page.
      if (!event.ctrlKey && !event.metaKey) return
      event.preventDefault()
      const { left, width } = overOf(plot).getBoundingClientRect()
      moves.zoom(event.deltaY > 0 ? 1.25 : 0.8, timeAt((event.clientX - left) / width))
    },
    { passive: false },
  )

  /** @param {number} share of the width */
  function timeAt(share) {
    return span.from + share * (span.to - span.from)
  }

  /** Builds the chart anew: for other lines, or other colours. */
  function build() {
    chart?.destroy()
    const style = getComputedStyle(document.documentElement)
    const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim()
    const axis = {
      stroke: colour('--quiet'),
      grid: { stroke: colour('--hairline'), width: 1 },
      ticks: { stroke: colour('--hairline'), width: 1 },
    }
    const lines = ids.map((_, at) => ({ colour: colour(`--line-${(at % 6) + 1}`), dash: DASHES[at % DASHES.length] ?? [] }))
    chart = new uPlot(
      {
        width: widthOf(plot),
        height: HEIGHT,
        legend: { show: false },
        scales: { x: { time: true, range: () => [span.from / 1000, span.to / 1000] }, y: { range: yRange } },
        axes: [
          { ...axis, values: (_, splits, __, ___, distance) => tickLabels(splits, distance) },
          { ...axis, size: 62, values: (_, splits) => splits.map(figure) },
        ],
        series: [
          {},
          ...lines.flatMap(({ colour: stroke, dash }) => [
            { stroke, dash, width: 2, points: { show: lonely, size: 5, fill: stroke } },
            { stroke: 'transparent', points: { show: false } },
            { stroke: 'transparent', points: { show: false } },
          ]),
        ],
        bands: lines.map(({ colour: stroke }, at) => ({
          series: /** @type {[number, number]} */ ([at * COLUMNS + 3, at * COLUMNS + 2]),
          fill: `color-mix(in srgb, ${stroke} 22%, transparent)`,
        })),
        cursor: {
          sync: { key: group, setSeries: false },
          drag: { x: true, y: false, setScale: false, dist: 8 },
          bind: {
            dblclick: () => () => {
              moves.zoom(2)
              return null
            },
          },
        },
        hooks: {
          setSelect: [
            (self) => {
              const { left, width } = self.select
              if (width < 8) return
              const [from, to] = [self.posToVal(left, 'x') * 1000, self.posToVal(left + width, 'x') * 1000]
              self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
              moves.between(from, to)
            },
          ],
          setCursor: [(self) => read(self.cursor.idx)],
        },
      },
      /** @type {any} */ (data),
      plot,
    )
    followFingers(chart.over, { pan: moves.pan, zoom: (factor, at) => moves.zoom(factor, timeAt(at)) }, signal)
    setChildren(
      legend,
      ...ids.map((line, at) =>
        element(
          'li',
          {},
          element('span', { class: `mark line-${(at % 6) + 1}`, 'aria-hidden': 'true' }),
          element('span', {}, nameOf(line)),
          ' ',
          element('output', {}),
        ),
      ),
    )
    legend.hidden = ids.length === 0
  }

  /**
   * Says what the lines are at a point of the data; without one, what is newest of each.
   * @param {number | null | undefined} at
   */
  function read(at) {
    /** @type {string[]} */
    const said = []
    for (const [line, name] of ids.entries()) {
      const point = at ?? data[line * COLUMNS + 1]?.findLastIndex((each) => each != null) ?? -1
      const [value, min, max] = [1, 2, 3].map((column) => data[line * COLUMNS + column]?.[point])
      const range = min != null && max != null && min !== max ? ` (${figure(min)} to ${figure(max)})` : ''
      const text = value == null ? '' : `${withUnit(value, quantity.unit)}${range}`
      const place = legend.children[line]?.querySelector('output')
      if (place) setText(place, text)
      if (text !== '') said.push(ids.length === 1 ? text : `${nameOf(name)} ${text}`)
    }
    const time = at == null ? undefined : data[0][at]
    const moment = time === undefined ? '' : momentOf(time * 1000)
    figureElement.dataset.cursor = moment
    if (!focused || moment === '') return
    clearTimeout(resting)
    resting = setTimeout(() => setText(spoken, `${moment}: ${said.join(', ') || 'no value'}`), REST_MS)
  }

  /**
   * @param {number} by points of the data that have a value
   * @param {number} [from]
   */
  function step(by, from = chart?.cursor.idx ?? data[0].length - 1) {
    if (chart === undefined || data[0].length === 0) return
    const [first, last] = [span.from / 1000, span.to / 1000]
    let at = from + by
    const shown = (/** @type {number} */ place) => ids.some((_, line) => data[line * COLUMNS + 1]?.[place] != null)
    const direction = by < 0 ? -1 : 1
    while (at >= 0 && at < data[0].length && !shown(at)) at += direction
    const time = data[0][at]
    if (time === undefined || time < first || time > last) return
    chart.setCursor({ left: chart.valToPos(time, 'x'), top: HEIGHT / 3 })
  }

  /**
   * @param {string} key
   * @param {boolean} shift
   * @returns {boolean} whether it means something here
   */
  function pressed(key, shift) {
    const time = chart?.cursor.idx == null ? undefined : data[0][chart.cursor.idx]
    const around = time === undefined ? undefined : time * 1000
    switch (key) {
      case 'ArrowLeft':
        shift ? moves.pan(-0.25) : step(-1)
        return true
      case 'ArrowRight':
        shift ? moves.pan(0.25) : step(1)
        return true
      case 'Home':
        step(
          0,
          data[0].findIndex((each) => each * 1000 >= span.from),
        )
        return true
      case 'End':
        step(
          0,
          data[0].findLastIndex((each) => each * 1000 <= span.to),
        )
        return true
      case '+':
      case '=':
        moves.zoom(0.5, around)
        return true
      case '-':
        moves.zoom(2, around)
        return true
      case 'Escape':
        moves.back()
        return true
      default:
        return false
    }
  }

  return {
    element: figureElement,
    /**
     * @param {Lines} lines
     * @param {number | null} everyMs
     * @param {Span} shown
     */
    show(lines, everyMs, shown) {
      span = shown
      const wanted = [...lines.keys()].sort()
      data = plotted(lines, wanted, everyMs)
      if (chart === undefined || wanted.join('\n') !== ids.join('\n')) {
        ids = wanted
        build()
      } else chart.setData(/** @type {any} */ (data))
      figureElement.dataset.points = String(data[0].length)
      figureElement.dataset.every = everyMs === null ? 'reading' : lengthOf(everyMs)
      figureElement.dataset.last = String(Math.max(...[...lines.values()].map(({ ts }) => ts.at(-1) ?? 0)))
      if (resting === undefined || !focused) read(chart?.cursor.idx)
    },
    /** @param {Span} shown */
    move(shown) {
      span = shown
      chart?.setScale('x', { min: span.from / 1000, max: span.to / 1000 })
    },
    /**
     * Writes the table anew: after another answer, and not at each reading.
     * @param {Lines} lines
     */
    tell(lines) {
      setChildren(
        body,
        ...[...lines].flatMap(([line, points]) =>
          summarised(points, ROWS).map(({ from, to, mean, min, max }) =>
            element(
              'tr',
              {},
              element('th', { scope: 'row' }, nameOf(line)),
              ...[momentOf(from), momentOf(to), ...[mean, min, max].map((value) => withUnit(value, quantity.unit))].map((text) =>
                element('td', {}, text),
              ),
            ),
          ),
        ),
      )
    },
    /** @param {string} text the newest value, and how old it is */
    tellNewest(text) {
      setText(newest, text)
    },
  }
}

/**
 * Room above and below, and a flat line in the middle.
 * @param {uPlot} _
 * @param {number | null} min
 * @param {number | null} max
 * @returns {[number, number]}
 */
function yRange(_, min, max) {
  if (min === null || max === null) return [0, 1]
  const room = max > min ? (max - min) * 0.08 : Math.max(Math.abs(max) * 0.05, 0.5)
  return [min - room, max + room]
}

/**
 * Points are drawn if there are few: one between two gaps would not be seen.
 * @param {uPlot} self
 * @param {number} _
 * @param {number} from
 * @param {number} to
 */
function lonely(self, _, from, to) {
  return to - from < self.width / 12
}

/** @param {HTMLElement} plot */
function widthOf(plot) {
  return Math.max(240, plot.clientWidth)
}

/** @param {HTMLElement} plot */
function overOf(plot) {
  return plot.querySelector('.u-over') ?? plot
}
