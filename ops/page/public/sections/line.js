/** @import { DeadLetterCount, HopProblem, HopState, Latency } from '../../line/messages.ts' */
/** @import { LineState, ServerState } from '../../line/messages.ts' */
/** @import { Page } from '../page.js' */
import { element, setAttribute, setChildren, setText, svg } from '../dom.js'
import { clockTime, count, duration, rate } from '../format.js'
import { table } from '../table.js'

/** What stands on the card of a hop, in words: a colour alone says nothing. */
const HEALTH = { well: 'well', wrong: 'has a problem', silent: 'does not answer', unknown: 'not known' }
const TONE = { well: 'good', wrong: 'bad', silent: 'bad', unknown: 'quiet' }
/** States of docs/lag.md that somebody should look at. */
const LATE = { stalled: 'bad', 'falling behind': 'warn', 'catching up': 'warn', steady: 'warn', unknown: 'quiet' }

/**
 * The line as a picture: what flows, how late it is, and what is wrong since when.
 * @param {HTMLElement} place
 * @param {Page} page
 */
export function mount(place, page) {
  const summary = element('div', { id: 'wrong', role: 'status' })
  const picture = createPicture(page.signal)
  const servers = table('Servers', serverColumns, ({ name }) => name)
  const latency = element('p', { id: 'latency' })
  const stored = element('p', { id: 'stored' })
  const dead = table('Dead letters', deadColumns, ({ topic }) => topic)
  place.append(summary, picture.element, latency, stored, servers.element, dead.element)
  page.watch('line', (/** @type {LineState} */ state) => {
    showWrong(summary, state)
    picture.update(state)
    setText(latency, latencyText(state.latency))
    setText(stored, storedText(state.stored))
    servers.update(state.servers)
    dead.update(state.deadLetters.filter(({ count: all, reasons }) => all !== 0 || reasons.length > 0))
  })
}

/** @type {import('../table.js').Column<ServerState>[]} */
const serverColumns = [
  { name: 'server', text: ({ name }) => name },
  { name: 'state', text: ({ health }) => HEALTH[health], tone: ({ health }) => TONE[health] },
  { name: 'problem', text: ({ problems }) => problems.map(problemText).join('\n'), wide: true },
]

/** @type {import('../table.js').Column<DeadLetterCount>[]} */
const deadColumns = [
  { name: 'topic', text: ({ topic }) => topic },
  { name: 'ever written', text: ({ count: all }) => count(all), number: true },
  {
    name: 'refused since the start, by reason',
    wide: true,
    text: ({ reasons }) => reasons.map((each) => `${each.reason} ${count(each.count)}`).join(', '),
  },
]

/**
 * All that is wrong, in one place. It is read aloud if it changes: so it is left alone if not.
 * @param {HTMLElement} target
 * @param {LineState} state
 */
function showWrong(target, { hops, servers }) {
  const services = hops.filter(({ kind }) => kind !== 'broker' && kind !== 'database')
  const lines = [
    ...[...servers, ...services].flatMap(({ name, problems }) => problems.map((problem) => ({ name, text: problemText(problem) }))),
    ...services.filter(({ lag }) => lag?.state === 'stalled').map((each) => ({ name: each.name, text: lagText(each) })),
  ]
  const unknown = hops.filter(({ health }) => health === 'unknown').length
  const items = lines.map(({ name, text }) => element('li', {}, element('strong', {}, name), ` ${text}`))
  const shown =
    items.length > 0
      ? element('ul', { class: 'problem' }, ...items)
      : element('p', { class: unknown > 0 ? 'quiet' : 'good' }, unknown > 0 ? 'Nothing is known to be wrong.' : 'All well.')
  if (target.firstElementChild?.textContent !== shown.textContent) setChildren(target, shown)
}

/**
 * @param {HopProblem} problem
 * @returns {string}
 */
function problemText({ text, since, orBefore }) {
  return since === null ? text : `${text}, since ${clockTime(new Date(since))}${orBefore ? ' or before' : ''}`
}

/**
 * @param {HopState} hop
 * @returns {string}
 */
function lagText({ lag }) {
  if (lag === null) return ''
  const behind = `${count(lag.records)} records behind${lag.seconds === null ? '' : `, ${duration(lag.seconds)}`}`
  return `${lag.state}: ${behind}${lag.causes.length === 0 ? '' : `; ${lag.causes.join('; ')}`}`
}

/**
 * @param {{ readonly sample: Latency | null, readonly receipt: Latency | null }} latency
 * @returns {string}
 */
function latencyText({ sample, receipt }) {
  const said = (/** @type {Latency | null} */ each) =>
    each === null ? '?' : `${duration(each.median)} (median), ${duration(each.p99)} (99 %)`
  return `Until a row is committed: ${said(receipt)} from its receipt; ${said(sample)} from its sample.`
}

/**
 * @param {LineState['stored']} stored
 * @returns {string}
 */
function storedText(stored) {
  if (stored === null) return 'Rows in the table: ?'
  const { rows, merged, repeated, conflicts } = stored
  return `Rows in the table: ${count(rows)}; ${count(merged)} merged into them, ${count(repeated)} repeats left out, ${count(conflicts)} in conflict.`
}

/**
 * Cards in columns, and behind them the lines that join them. On a narrow screen the columns stand
 * below each other.
 * @param {AbortSignal} signal
 */
function createPicture(signal) {
  const lines = svg('svg', { class: 'links', 'aria-hidden': true })
  const columns = element('ol', { class: 'columns', 'aria-label': 'Steps of the line, in the order of the data' })
  const frame = element('div', { class: 'line-picture' }, lines, columns)
  /** @type {Map<string, ReturnType<typeof createCard>>} */
  const cards = new Map()
  /** @type {LineState | undefined} */
  let newest

  const join = () => {
    if (newest === undefined) return
    const box = frame.getBoundingClientRect()
    setAttribute(lines, 'viewBox', `0 0 ${box.width} ${box.height}`)
    const paths = newest.links.flatMap(({ from, to }) => {
      const [start, end] = [cards.get(from)?.element, cards.get(to)?.element]
      if (start === undefined || end === undefined) return []
      const hop = newest?.hops.find(({ name }) => name === to)
      const flows = hop?.rates.some(({ perSecond }) => perSecond !== null && perSecond > 0) === true
      return [svg('path', { d: curve(start.getBoundingClientRect(), end.getBoundingClientRect(), box), class: flows ? 'flows' : '' })]
    })
    setChildren(lines, ...paths)
  }
  const resized = new ResizeObserver(join)
  resized.observe(frame)
  signal.addEventListener('abort', () => resized.disconnect())

  return {
    element: frame,
    /** @param {LineState} state */
    update(state) {
      newest = state
      for (const hop of state.hops) {
        const card = cards.get(hop.name) ?? createCard(hop)
        if (!cards.has(hop.name)) {
          cards.set(hop.name, card)
          columnOf(columns, hop.column).append(card.element)
        }
        card.update(hop)
      }
      join()
    },
  }
}

/**
 * @param {HTMLElement} columns
 * @param {number} index
 * @returns {Element}
 */
function columnOf(columns, index) {
  while (columns.children.length <= index) columns.append(element('li', {}, element('ul')))
  return /** @type {Element} */ (columns.children[index]?.firstElementChild)
}

/** @param {HopState} hop */
function createCard({ name, kind }) {
  const health = element('p', { class: 'health' })
  const rates = element('p')
  const lag = element('p')
  const card = element(
    'li',
    { class: 'card' },
    element('h2', {}, name),
    element('p', { class: 'quiet' }, kind === name ? '' : kind),
    health,
    rates,
    lag,
  )
  return {
    element: card,
    /** @param {HopState} hop */
    update(hop) {
      setText(health, hop.health === 'unknown' ? `● ${HEALTH.unknown}` : `● ${HEALTH[hop.health]}`)
      setAttribute(health, 'class', `health ${TONE[hop.health]}`)
      setAttribute(card, 'class', `card ${hop.health}`)
      setText(rates, hop.rates.map(({ unit, perSecond }) => `${rate(perSecond)} ${unit}`).join('\n'))
      if (hop.lag === null) return
      setText(lag, hop.lag.state === 'idle' ? 'idle' : `${hop.lag.state}, ${duration(hop.lag.seconds)} behind`)
      setAttribute(lag, 'class', LATE[/** @type {keyof typeof LATE} */ (hop.lag.state)] ?? '')
    },
  }
}

/**
 * A curve from one card to another: from right to left side, or, below each other, from bottom to
 * top.
 * @param {DOMRect} from
 * @param {DOMRect} to
 * @param {DOMRect} box
 * @returns {string}
 */
function curve(from, to, box) {
  if (to.left >= from.right) {
    const [x1, y1, x2, y2] = [
      from.right - box.left,
      from.top + from.height / 2 - box.top,
      to.left - box.left,
      to.top + to.height / 2 - box.top,
    ]
    const bend = (x2 - x1) / 2
    return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`
  }
  const [x1, y1, x2, y2] = [
    from.left + from.width / 2 - box.left,
    from.bottom - box.top,
    to.left + to.width / 2 - box.left,
    to.top - box.top,
  ]
  const bend = (y2 - y1) / 2
  return `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`
}
