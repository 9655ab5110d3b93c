/** @import { DeviceHistory, OneDevice } from '../../devices/messages.ts' */
/** @import { LiveReading, LiveReadings } from '../../devices/messages.ts' */
/** @import { Page } from '../page.js' */
/** @import { Lines } from './lines.js' */
/** @import { Span } from './span.js' */
import { element, setChildren, setText } from '../dom.js'
import { channelOf, deviceAddress, listAddress, siteAddress } from './address.js'
import { createChart } from './chart.js'
import { age, batteryOf, stateOf, toneOf } from './facts.js'
import { lengthOf, place, withUnit } from './figures.js'
import { addReading, dropBefore, linesOf } from './lines.js'
import { repeat } from './repeat.js'
import { between, moved, panned, spanOf, spanText, zoomed } from './span.js'
import { spanControls } from './span-controls.js'

const HOUR_MS = 3_600_000
/** A zoom goes on for some moves: the answer to the last one is enough. */
const SETTLE_MS = 150
const FACTS_MS = 30_000
/** History is asked again so often at least: readings may come late, and time buckets fill. */
const SLOWEST_MS = 60_000
const FASTEST_MS = 15_000
/** By then the store has committed what was on its way when the page began to follow. */
const COMMITTED_MS = 3_000
/** Browsers that look at the same ask the same, and get one answer. */
const GRID = 200
const POINTS = 150
/** Readings of a line that are kept beyond what history gives. */
const MOST_READINGS = 6_000
const MOST_RECENT = 1_000
const MOST_BACK = 50
/** Moves of fingers or of a wheel that follow each other faster are one gesture. */
const GESTURE_MS = 700
/** Among time buckets up to this length single readings stand until the next answer. */
const SHORT_BUCKET_MS = 60_000
/** They are a place, and not a line. */
const NOT_DRAWN = new Set(['latitude', 'longitude'])

/**
 * @typedef {object} DrawnQuantity
 * @property {ReturnType<typeof createChart>} chart
 * @property {Lines} lines
 * @property {string} unit
 */

/**
 * One device: what is known of it, and what it measures, live and back in time.
 * @param {HTMLElement} where
 * @param {Page} page
 * @param {string} device
 * @param {URLSearchParams} query
 */
export async function showDevice(where, page, device, query) {
  let span = spanOf(query, Date.now(), HOUR_MS)
  /** @type {Span[]} */
  const before = []
  let gestureAt = Number.NEGATIVE_INFINITY
  /** @type {OneDevice} */
  let one = await page.get(`devices/one?device=${encodeURIComponent(device)}`)
  /** @type {Set<string>} */
  let ids = new Set()
  /** By quantity. @type {Map<string, DrawnQuantity>} */
  const charts = new Map()
  /** Null: readings. @type {number | null} */
  let everyMs = null
  /** @type {LiveReadings | undefined} */
  let live
  /** What came live, for the store may be behind. @type {readonly LiveReading[]} */
  let recent = []
  let asked = 0
  let loading = false

  document.title = `${device} · Millrace`
  const facts = element('dl', { class: 'facts' })
  const controls = spanControls(
    () => span,
    (to) => go(to),
  )
  const resolution = element('p', { class: 'quiet', role: 'status' })
  const keys = element(
    'p',
    { id: 'chart-keys', class: 'quiet' },
    'Mark a span with the mouse, or stretch it with two fingers. With the focus on a chart: left and right go from point to point, with Shift back and forth in time, + and − zoom, Escape goes back.',
  )
  const place = element('div')
  setChildren(
    where,
    element('p', {}, element('a', { href: '#devices' }, 'All devices')),
    element('h2', {}, device),
    facts,
    controls.element,
    resolution,
    place,
    keys,
  )

  function tellFacts() {
    const now = Date.now()
    const known = one.facts
    const position = positionOf(one)
    /** @param {string} name @param {...import('../dom.js').Child} value */
    const fact = (name, ...value) => element('div', {}, element('dt', {}, name), element('dd', {}, ...value))
    setChildren(
      facts,
      ...(known === null
        ? [fact('Device', `${device} is not in the app database`)]
        : [
            fact('State', element('span', { class: toneOf(known) }, stateOf(known, now))),
            fact('Last contact', age(known.lastContact, now)),
            fact(
              'Account',
              known.account === null ? 'none' : element('a', { href: listAddress({ account: known.accountId ?? '' }) }, known.account),
            ),
            fact('Site', known.siteId === null ? 'none' : element('a', { href: siteAddress(known.siteId) }, known.site)),
            fact('Asset', known.asset === device ? 'itself' : known.asset),
            fact('Firmware', known.firmware ?? '?'),
            fact('Boot', known.boot ?? '?'),
            fact('Battery', batteryOf(known)),
          ]),
      position === undefined ? null : fact('Position', position),
    )
  }

  /** Charts for what the device is known to measure. @returns whether there are new ones */
  function makeCharts() {
    const known = charts.size + ids.size
    ids = new Set(one.newest.map(({ deviceId }) => deviceId))
    const measured = new Set(one.newest.map(({ quantity }) => quantity))
    for (const quantity of one.quantities) {
      if (!measured.has(quantity.name) || NOT_DRAWN.has(quantity.name) || charts.has(quantity.name)) continue
      const chart = createChart(
        quantity,
        (id) => channelOf(id, device) || device,
        {
          between: (from, to) => go(between(from, to, Date.now())),
          zoom: (factor, around, gesture) => go(zoomed(span, factor, Date.now(), around), gesture ? 'gesture' : 'step'),
          pan: (share, gesture) => go(panned(span, share, Date.now()), gesture ? 'gesture' : 'step'),
          back() {
            const last = before.pop()
            if (last !== undefined) go(moved(last, Date.now()), 'back')
          },
        },
        { group: 'device', signal: page.signal },
      )
      charts.set(quantity.name, { chart, lines: new Map(), unit: quantity.unit })
    }
    if (charts.size + ids.size === known && place.hasChildNodes()) return false
    setChildren(
      place,
      ...one.quantities.map(({ name }) => charts.get(name)?.chart.element),
      charts.size === 0 ? element('p', {}, 'No reading is stored yet. One that comes shows here.') : null,
    )
    return true
  }

  /**
   * @param {Span} to
   * @param {'step' | 'gesture' | 'back'} how of a gesture only its beginning is remembered
   */
  function go(to, how = 'step') {
    const now = performance.now()
    if (how === 'step' || (how === 'gesture' && now - gestureAt > GESTURE_MS)) before.push(span)
    if (before.length > MOST_BACK) before.shift()
    if (how === 'gesture') gestureAt = now
    span = to
    moveCharts()
    history.replaceState(null, '', deviceAddress(device, spanText(span)))
    void load(SETTLE_MS)
  }

  function moveCharts() {
    for (const { chart } of charts.values()) chart.move(span)
    controls.tell()
  }

  /** Asks history for what is shown. Of several questions only the last one's answer counts. */
  async function load(waitMs = 0) {
    const mine = ++asked
    loading = true
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
    if (mine !== asked || page.signal.aborted || charts.size === 0) return
    const grid = Math.max(1, Math.round((span.to - span.from) / GRID))
    const question = new URLSearchParams({
      ids: JSON.stringify([...ids]),
      quantities: JSON.stringify([...charts.keys()]),
      from: String(Math.floor(span.from / grid) * grid),
      to: String(Math.ceil(span.to / grid) * grid),
      points: String(Math.min(10, Math.max(1, Math.round((place.clientWidth * 0.75) / POINTS))) * POINTS),
    })
    try {
      /** @type {DeviceHistory} */
      const found = await page.get(`devices/history?${question}`)
      if (mine !== asked) return
      everyMs = found.everyMs
      for (const [quantity, each] of charts) {
        each.lines = linesOf(found.series.filter((series) => series.quantity === quantity))
        // Those that were published and not yet committed.
        if (everyMs === null) for (const reading of recent) addReading(each.lines, reading, quantity)
        dropBefore(each.lines, found.from, MOST_READINGS)
        each.chart.show(each.lines, everyMs, span)
        each.chart.tell(each.lines)
      }
      setText(resolution, resolutionOf(found))
      tellAges()
    } catch (cause) {
      if (mine === asked && !page.signal.aborted)
        setText(resolution, `History is not known now: ${cause instanceof Error ? cause.message : String(cause)}`)
    } finally {
      if (mine === asked) loading = false
    }
  }

  /** @param {LiveReadings} state */
  function take(state) {
    if (live === undefined) setTimeout(() => void load(), COMMITTED_MS)
    const missed = live !== undefined && (state.generation !== live.generation || state.first > live.next)
    const fresh = live === undefined || missed ? state.readings : state.readings.slice(Math.max(0, live.next - state.first))
    live = state
    if (missed) void load()
    if (fresh.length === 0) return
    recent = [...recent, ...fresh].slice(-MOST_RECENT)
    for (const { deviceId, ts, values } of fresh)
      for (const [quantity, value] of Object.entries(values)) note({ deviceId, quantity, value, at: ts })
    if (makeCharts()) void load()
    if ((everyMs !== null && everyMs > SHORT_BUCKET_MS) || loading) {
      tellAges()
      return
    }
    span = moved(span, Date.now())
    for (const [quantity, { chart, lines }] of charts) {
      // All of them are looked at: `some` would stop.
      if (fresh.filter((reading) => addReading(lines, reading, quantity)).length === 0) continue
      dropBefore(lines, span.from, MOST_READINGS)
      chart.show(lines, everyMs, span)
    }
    tellAges()
  }

  /**
   * Keeps the newest value of each quantity.
   * @param {OneDevice['newest'][number]} value
   */
  function note(value) {
    const known = one.newest.find(({ deviceId, quantity }) => deviceId === value.deviceId && quantity === value.quantity)
    if (known !== undefined && known.at > value.at) return
    one = { ...one, newest: [...one.newest.filter((each) => each !== known), value] }
  }

  function tellAges() {
    const now = Date.now()
    for (const [quantity, { chart, unit }] of charts) {
      const newest = one.newest.filter((each) => each.quantity === quantity).sort((a, b) => b.at - a.at)
      const [first] = newest
      if (first === undefined) continue
      const value = newest.length === 1 ? `${withUnit(first.value, unit)}, ` : ''
      chart.tellNewest(`${value}${age(first.at, now)}`)
    }
  }

  tellFacts()
  makeCharts()
  moveCharts()
  page.ready()
  await load()
  page.watch(`device:${device}`, take)
  repeat(
    async () => {
      const { newest } = one
      one = await page.get(`devices/one?device=${encodeURIComponent(device)}`)
      // What is on its way to the database is newer.
      for (const value of newest) note(value)
      tellFacts()
      if (makeCharts()) await load()
    },
    FACTS_MS,
    page,
  )
  repeat(
    async () => {
      if (span.follows) await load()
    },
    () => (everyMs === null ? SLOWEST_MS : Math.min(SLOWEST_MS, Math.max(FASTEST_MS, everyMs / 4))),
    page,
  )
  let movedAt = performance.now()
  repeat(
    () => {
      tellAges()
      const time = performance.now()
      // A step of less than a pixel would not be seen.
      if (!span.follows || time - movedAt < (span.to - span.from) / 1_000) return
      movedAt = time
      span = moved(span, Date.now())
      for (const { chart } of charts.values()) chart.move(span)
    },
    1_000,
    page,
  )
}

/** @param {DeviceHistory} history */
function resolutionOf({ everyMs, because }) {
  if (everyMs === null) return 'Shown: each reading.'
  const why =
    because === 'archived'
      ? ' The readings themselves are in the archive.'
      : because === 'many'
        ? ' There are too many readings to show each: zoom in.'
        : ''
  return `Shown: mean, lowest and highest of each ${lengthOf(everyMs)}.${why}`
}

/** @param {OneDevice} device */
function positionOf({ newest }) {
  const value = (/** @type {string} */ name) => newest.find(({ quantity }) => quantity === name)?.value
  const [latitude, longitude] = [value('latitude'), value('longitude')]
  return latitude === undefined || longitude === undefined ? undefined : place({ latitude, longitude })
}
