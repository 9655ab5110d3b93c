/** @import { QuantityFacts } from '../../devices/messages.ts' */
/** @import { Lines, PlotColumns } from './lines.js' */
/** @import { Span } from './span.js' */
import { element, setChildren, setText } from '../dom.js'
import { figure, lengthOf, momentOf, withUnit } from './figures.js'
import { plotted, summarised } from './lines.js'
import { aligned, COLUMNS, HEIGHT, makePlot, widthOf } from './plot.js'
import { followFingers } from './pointers.js'

/** Rows of the table that stands for the chart. */
const ROWS = 12
/** What a screen reader says waits until the cursor rests. */
const REST_MS = 400
/**
 * What a chart asks for.
 * @typedef {object} ChartMoves
 * @property {(from: number, to: number) => void} between somebody has marked these times
 * @property {(factor: number, around?: number, gesture?: boolean) => void} zoom a gesture is many
 *   small moves
 * @property {(share: number, gesture?: boolean) => void} pan
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
  /** @type {PlotColumns} */
  let data = [[]]
  /** @type {ReturnType<typeof makePlot> | undefined} */
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
      moves.zoom(event.deltaY > 0 ? 1.25 : 0.8, timeAt((event.clientX - left) / width), true)
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
    chart = makePlot(plot, data, {
      lines: ids.length,
      group,
      shown: () => span,
      marked: moves.between,
      doubleClicked: () => moves.zoom(2),
      cursor: read,
    })
    followFingers(
      chart.over,
      { pan: (share) => moves.pan(share, true), zoom: (factor, at) => moves.zoom(factor, timeAt(at), true) },
      signal,
    )
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
      } else chart.setData(aligned(data))
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

/** @param {HTMLElement} plot */
function overOf(plot) {
  return plot.querySelector('.u-over') ?? plot
}
