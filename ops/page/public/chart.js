import { element, setText } from './dom.js'
import { clockTime } from './format.js'
import uPlot from './vendor/uplot/uPlot.esm.js'

/** Rows of the table that says in figures what the lines show. */
const TABLE_ROWS = 8
/** What the cursor says is read aloud once it has stayed for a moment. */
const SPOKEN_MS = 400
const HEIGHT = 220
/** A time of day with seconds is so wide, in pixels. */
const TIME_WIDTH = 80
/** Lines differ in more than their colour. */
const DASHES = [[], [8, 4], [2, 3], [12, 3, 2, 3], [5, 2]]

/**
 * @typedef {object} ChartOptions
 * @property {string} caption
 * @property {readonly string[]} series names of the lines
 * @property {(value: number) => string} format a value with its unit
 * @property {AbortSignal} signal aborted when the chart is not needed any more
 * @property {number} [height]
 * @property {boolean} [fromZero] the axis begins at 0
 * @property {(from: number, to: number) => void} [zoomed] a range of time was chosen, in
 *   milliseconds
 */

/**
 * A chart of lines over time that can be used without seeing it: it has a caption, a table of some
 * of its values for readers of the screen, and arrow keys move through its points.
 * @param {ChartOptions} options
 */
export function chart({ caption, series, format, signal, height = HEIGHT, fromZero = false, zoomed }) {
  const area = element('div', {
    class: 'chart',
    tabindex: 0,
    role: 'group',
    'aria-label': `${caption}: arrow keys move through the points`,
  })
  const spoken = element('p', { class: 'hidden-but-read', 'aria-live': 'polite' })
  const head = element('tr', {}, ...['time', ...series].map((name) => element('th', { scope: 'col' }, name)))
  const body = element('tbody')
  const inFigures = element('table', {}, element('caption', {}, caption), element('thead', {}, head), body)
  const figures = element('div', { class: 'hidden-but-read' }, inFigures)
  const figure = element('figure', {}, element('figcaption', {}, caption), area, spoken, figures)
  /** @type {(readonly (number | null)[])[]} times in milliseconds, then the values of each line */
  let data = [[], ...series.map(() => [])]
  /** @type {uPlot | undefined} */
  let plot
  let speaking = 0

  const draw = () => {
    plot?.destroy()
    plot = undefined
    if (area.clientWidth > 0) plot = new uPlot(plotOptions(area.clientWidth), /** @type {any} */ (data), area)
  }

  /**
   * @param {number} width
   * @returns {uPlot.Options}
   */
  const plotOptions = (width) => {
    const style = getComputedStyle(document.documentElement)
    const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim()
    const axis = { stroke: colour('--quiet'), grid: { stroke: colour('--hairline'), width: 1 }, ticks: { stroke: colour('--hairline') } }
    return {
      width,
      height,
      ms: 1,
      padding: [null, TIME_WIDTH / 2, null, null],
      cursor: { drag: { x: zoomed !== undefined, y: false, setScale: false } },
      scales: { y: { range: (_plot, least, most) => rangeOf(least, most, fromZero) } },
      axes: [
        { ...axis, space: TIME_WIDTH, values: (_plot, times) => times.map((time) => new Date(time).toLocaleTimeString('en-GB')) },
        { ...axis, size: 72, values: (_plot, values) => values.map((value) => format(value)) },
      ],
      series: [
        { label: 'time', value: (_plot, time) => (time === null ? 'newest' : clockTime(new Date(time))) },
        ...series.map((label, index) => ({
          label,
          stroke: colour(`--line-${(index % 6) + 1}`),
          dash: DASHES[index % DASHES.length] ?? [],
          width: 2,
          points: { show: false },
          // Without a cursor, the newest.
          value: (/** @type {uPlot} */ _plot, /** @type {number} */ _value, /** @type {number} */ _line, /** @type {number | null} */ at) =>
            valueAt(index, at ?? (data[0]?.length ?? 0) - 1),
        })),
      ],
      hooks: {
        setSelect: [
          (self) => {
            if (self.select.width > 0)
              zoomed?.(self.posToVal(self.select.left, 'x'), self.posToVal(self.select.left + self.select.width, 'x'))
            self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
          },
        ],
      },
    }
  }

  const fillTable = () => {
    const times = data[0] ?? []
    const step = Math.max(1, Math.ceil(times.length / TABLE_ROWS))
    /** @type {HTMLElement[]} */
    const rows = []
    for (let at = times.length - 1; at >= 0; at -= step) rows.unshift(row(at))
    body.replaceChildren(...rows)
  }

  const row = (/** @type {number} */ at) =>
    element(
      'tr',
      {},
      element('th', { scope: 'row' }, clockTime(new Date(data[0]?.[at] ?? 0))),
      ...series.map((_, line) => element('td', {}, valueAt(line, at))),
    )

  const valueAt = (/** @type {number} */ line, /** @type {number} */ at) => {
    const value = data[line + 1]?.[at]
    return value === null || value === undefined ? '?' : format(value)
  }

  area.addEventListener('keydown', (event) => {
    const last = (data[0]?.length ?? 0) - 1
    const now = plot?.cursor.idx ?? last
    const to = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last }[event.key]
    if (plot === undefined || to === undefined || last < 0) return
    event.preventDefault()
    const at = Math.min(last, Math.max(0, to))
    plot.setCursor({ left: plot.valToPos(data[0]?.[at] ?? 0, 'x'), top: 0 })
    clearTimeout(speaking)
    speaking = setTimeout(() => {
      setText(spoken, [clockTime(new Date(data[0]?.[at] ?? 0)), ...series.map((name, line) => `${name} ${valueAt(line, at)}`)].join(', '))
    }, SPOKEN_MS)
  })

  const resized = new ResizeObserver(() => {
    if (plot === undefined) draw()
    else if (area.clientWidth > 0 && plot.width !== area.clientWidth) plot.setSize({ width: area.clientWidth, height })
  })
  resized.observe(area)
  // A canvas does not follow the colours of the page by itself.
  const scheme = matchMedia('(prefers-color-scheme: dark)')
  scheme.addEventListener('change', draw, { signal })
  signal.addEventListener('abort', () => {
    resized.disconnect()
    clearTimeout(speaking)
    plot?.destroy()
  })

  return {
    element: figure,
    /**
     * @param {readonly number[]} times in milliseconds, ascending
     * @param {readonly (readonly (number | null)[])[]} values of each line; null where not known
     */
    update(times, values) {
      data = [times, ...values]
      fillTable()
      if (plot === undefined) draw()
      else plot.setData(/** @type {any} */ (data))
    },
  }
}

/**
 * The range of the axis: one without height would divide by 0.
 * @param {number | null} least
 * @param {number | null} most
 * @param {boolean} fromZero
 * @returns {[number, number]}
 */
function rangeOf(least, most, fromZero) {
  if (least === null || most === null) return [0, 1]
  const from = fromZero ? Math.min(0, least) : least
  const pad = most > from ? (most - from) * 0.08 : Math.max(1, Math.abs(most) * 0.1)
  return [fromZero && from === 0 ? 0 : from - pad, most + pad]
}
