/** @import { DeviceFacts, NewestValue, SiteDay } from '../../devices/messages.ts' */
/** @import { SiteLive, SiteNow } from '../../devices/messages.ts' */
/** @import { Page } from '../page.js' */
import { element, setAttribute, setChildren, setText } from '../dom.js'
import { channelOf, deviceAddress, listAddress, ownerOf, siteAddress } from './address.js'
import { age, stateOf, toneOf } from './facts.js'
import { withUnit } from './figures.js'
import { createNewest } from './newest.js'
import { outlier, spreadOf } from './outliers.js'
import { repeat } from './repeat.js'
import { sparkline } from './sparkline.js'

const DAY_AGAIN_MS = 60_000
const AGES_MS = 1_000
/** Names that are read aloud. */
const MOST_SAID = 5
/** A value that is older than this stands beside the others and is not compared with them. */
const OLD_MS = 3_600_000

/** hall-9 comes before hall-10. */
const names = new Intl.Collator('en', { numeric: true })

/**
 * A device or channel of the site.
 * @typedef {object} Row
 * @property {string} deviceId
 * @property {DeviceFacts} device
 * @property {NewestValue | undefined} newest
 * @property {boolean} old
 * @property {'high' | 'low' | undefined} off
 */

/**
 * What all rows have in common.
 * @typedef {object} HowToShow
 * @property {string} unit
 * @property {number} time now
 * @property {SiteDay | undefined} day
 * @property {readonly [low: number, high: number]} range of all lines
 */

/** @type {Readonly<Record<string, (a: Row, b: Row) => number>>} */
const ORDERS = {
  'most unusual first': (a, b) => rank(b) - rank(a) || byId(a, b),
  'highest first': (a, b) => (b.newest?.value ?? Number.NEGATIVE_INFINITY) - (a.newest?.value ?? Number.NEGATIVE_INFINITY) || byId(a, b),
  'lowest first': (a, b) => (a.newest?.value ?? Number.POSITIVE_INFINITY) - (b.newest?.value ?? Number.POSITIVE_INFINITY) || byId(a, b),
  'oldest first': (a, b) => (a.newest?.at ?? 0) - (b.newest?.at ?? 0) || byId(a, b),
  'by name': byId,
}

/**
 * The devices of a site side by side: one quantity, newest values and the last 24 hours.
 * @param {HTMLElement} where
 * @param {Page} page
 * @param {string} site its number
 * @param {URLSearchParams} query
 */
export function showSite(where, page, site, query) {
  let quantity = query.get('quantity') ?? ''
  let order = query.get('order') ?? 'most unusual first'
  /** @type {SiteNow | undefined} */
  let now
  /** @type {SiteDay | undefined} */
  let day
  /** What is newer than the databases. */
  const live = createNewest()
  /** Where each row stands. @type {ReadonlyMap<string, number>} */
  let places = new Map()

  const title = element('h2')
  const about = element('p')
  const chosen = element('select', { name: 'quantity' })
  const ordered = element(
    'select',
    { name: 'order' },
    ...Object.keys(ORDERS).map((each) => element('option', { value: each, selected: each === order }, each)),
  )
  const fields = element('div', { class: 'fields' }, element('label', {}, 'Quantity', chosen), element('label', {}, 'Order', ordered))
  const summary = element('p')
  const missing = element('p', { class: 'warn', role: 'status' })
  const said = element('p', { class: 'hidden-but-read', role: 'status' })
  const body = element('tbody')
  const caption = element('caption')
  const heads = ['Device', 'Now', 'Last 24 h', 'Unlike the others', 'Age', 'Lowest', 'Highest', 'State'].map((name) =>
    element('th', { scope: 'col' }, name),
  )
  const frame = element(
    'div',
    { class: 'scrolls', tabindex: 0, role: 'region', 'aria-label': 'Devices of the site' },
    element('table', { class: 'side-by-side' }, caption, element('thead', {}, element('tr', {}, ...heads)), body),
  )
  setChildren(where, element('p', {}, element('a', { href: '#sites' }, 'All sites')), title, about, fields, summary, missing, said, frame)
  /** @type {Map<string, ReturnType<typeof line>>} */
  const lines = new Map()

  chosen.onchange = () => {
    quantity = chosen.value
    day = undefined
    chose()
    void loadDay().catch(failed)
  }
  ordered.onchange = () => {
    order = ordered.value
    chose()
  }

  function chose() {
    history.replaceState(null, '', siteAddress(site, String(new URLSearchParams({ quantity, order }))))
    show()
  }

  async function loadDay() {
    if (quantity === '') return
    const asked = quantity
    /** @type {SiteDay} */
    const found = await page.get(`devices/day?${new URLSearchParams({ site, quantity })}`)
    if (asked !== quantity) return
    day = found
    setText(missing, '')
    show()
  }

  /** @param {SiteNow} state */
  function take(state) {
    const first = now === undefined
    now = live.withNewer(state)
    const names = state.quantities.map(({ name }) => name)
    if (!names.includes(quantity)) quantity = names.includes('temperature') ? 'temperature' : (names[0] ?? '')
    if ([...chosen.options].map(({ value }) => value).join() !== names.join())
      setChildren(chosen, ...names.map((name) => element('option', { value: name }, name.replaceAll('_', ' '))))
    chosen.value = quantity
    show()
    if (first || day === undefined) void loadDay().catch(failed)
  }

  /** @param {SiteLive} state */
  function takeLive(state) {
    if (!live.add(state.readings) || now === undefined) return
    now = live.withNewer(now)
    if (!document.hidden) showInPlace()
  }

  /** @param {unknown} cause */
  function failed(cause) {
    if (!page.signal.aborted)
      setText(missing, `The last 24 hours are not known now: ${cause instanceof Error ? cause.message : String(cause)}`)
  }

  /** Values as they are now. Rows stay where somebody looks at them until the next state. */
  function showInPlace() {
    show(byPlace)
  }

  /**
   * @param {Row} a
   * @param {Row} b
   */
  function byPlace(a, b) {
    const last = places.size
    return (places.get(a.deviceId) ?? last) - (places.get(b.deviceId) ?? last) || byId(a, b)
  }

  /** @param {(a: Row, b: Row) => number} [compare] as is chosen, if absent */
  function show(compare) {
    if (now === undefined) return
    const { site: facts, devices, more } = now
    setText(title, facts.name)
    setChildren(
      about,
      'Account ',
      element('a', { href: listAddress({ account: facts.accountId }) }, facts.account),
      `, ${facts.kind}, `,
      element('a', { href: listAddress({ site: facts.id }) }, `${facts.devices} ${facts.devices === 1 ? 'device' : 'devices'}`),
      more ? `, of which the first ${devices.length} are shown` : '',
    )
    const unit = now.quantities.find(({ name }) => name === quantity)?.unit ?? ''
    const time = Date.now()
    // Whoever is at a row by keyboard would lose it if it moved.
    const held = body.contains(document.activeElement) ? byPlace : undefined
    const rows = rowsOf(now, quantity, time).sort(compare ?? held ?? ORDERS[order] ?? byId)
    places = new Map(rows.map(({ deviceId }, at) => [deviceId, at]))
    const range = rangeOf(day, rows)
    setText(
      caption,
      quantity === ''
        ? 'Nothing is measured yet'
        : `${quantity.replaceAll('_', ' ')}${unit === '' ? '' : ` in ${unit}`}; all lines have the same scale`,
    )
    setText(summary, summaryOf(rows, unit))
    if (compare === undefined) setText(said, unusual(rows))
    const shown = new Set(rows.map(({ deviceId }) => deviceId))
    for (const [id, { row }] of lines)
      if (!shown.has(id)) {
        row.remove()
        lines.delete(id)
      }
    let place = body.firstElementChild
    for (const each of rows) {
      const known = lines.get(each.deviceId) ?? line(each)
      lines.set(each.deviceId, known)
      known.fill(each, { unit, time, day, range })
      if (known.row === place) place = place.nextElementSibling
      else body.insertBefore(known.row, place)
    }
  }

  page.watch(`site:${site}`, take)
  page.watch(`site-live:${site}`, takeLive)
  repeat(showInPlace, AGES_MS, page)
  repeat(loadDay, DAY_AGAIN_MS, page, failed)
}

function cell() {
  return element('td')
}

/** @param {Row} of */
function line({ deviceId, device: { id } }) {
  const channel = channelOf(deviceId, id)
  const name = element('th', { scope: 'row' }, element('a', { href: deviceAddress(id) }, id), channel === '' ? null : `, ${channel}`)
  const [value, drawn, off, old, lowest, highest, state] = [cell(), cell(), cell(), cell(), cell(), cell(), cell()]
  const row = element('tr', {}, name, value, drawn, off, old, lowest, highest, state)
  let before = ''
  return {
    row,
    /**
     * @param {Row} each
     * @param {HowToShow} how
     */
    fill({ device, newest, old: isOld, off: differs }, { unit, time, day, range: [low, high] }) {
      const series = day?.series.find((one) => one.deviceId === deviceId)
      const mark = differs === undefined ? '' : differs === 'high' ? '▲ ' : '▼ '
      setText(value, newest === undefined ? 'none' : `${mark}${withUnit(newest.value, unit)}`)
      setText(off, differs ?? '')
      setText(old, newest === undefined ? '' : `${age(newest.at, time)}${isOld ? ', old' : ''}`)
      // The job of the roll-ups is behind what is newest.
      const today = newest === undefined || newest.at < (day?.from ?? time) ? [] : [newest.value]
      setText(lowest, series === undefined ? '' : withUnit(Math.min(...series.min, ...today), unit))
      setText(highest, series === undefined ? '' : withUnit(Math.max(...series.max, ...today), unit))
      setText(state, stateOf(device, time))
      setAttribute(row, 'class', differs === undefined ? undefined : 'off')
      setAttribute(state, 'class', toneOf(device))
      setAttribute(old, 'class', isOld ? 'warn' : 'quiet')
      // Drawn anew only if it is another line.
      const line = `${day?.from} ${low} ${high} ${series?.values.join()}`
      if (day === undefined || line === before) return
      before = line
      setChildren(drawn, sparkline(series, { from: day.from, to: day.to, low, high }))
    },
  }
}

/**
 * A row for each device, and for each of its channels that measures the quantity.
 * @param {SiteNow} now
 * @param {string} quantity
 * @param {number} time
 * @returns {Row[]}
 */
function rowsOf({ devices, newest }, quantity, time) {
  const values = newest.filter((value) => value.quantity === quantity)
  const fresh = values.filter(({ at }) => time - at <= OLD_MS).map(({ value }) => value)
  const spread = spreadOf(fresh)
  /** @type {Map<string, NewestValue[]>} */
  const byDevice = new Map()
  for (const value of values) byDevice.set(ownerOf(value.deviceId), [...(byDevice.get(ownerOf(value.deviceId)) ?? []), value])
  return devices.flatMap((device) => {
    const own = byDevice.get(device.id) ?? []
    /** @type {readonly (NewestValue | undefined)[]} */
    const shown = own.length === 0 ? [undefined] : own
    return shown.map((value) => {
      const old = value !== undefined && time - value.at > OLD_MS
      const off = value === undefined || old || spread === undefined ? undefined : outlier(value.value, spread, fresh.length)
      return { deviceId: value?.deviceId ?? device.id, device, newest: value, old, off }
    })
  })
}

/**
 * @param {readonly Row[]} rows
 * @param {string} unit
 */
function summaryOf(rows, unit) {
  const fresh = rows.flatMap(({ newest, old }) => (newest === undefined || old ? [] : [newest.value]))
  const spread = spreadOf(fresh)
  const count = (/** @type {number} */ number, /** @type {string} */ what) => (number === 0 ? '' : `${number} ${what}`)
  const parts = [
    spread === undefined
      ? 'No value of the last hour'
      : `${fresh.length} values of the last hour: median ${withUnit(spread.median, unit)}, from ${withUnit(Math.min(...fresh), unit)} to ${withUnit(Math.max(...fresh), unit)}`,
    count(rows.filter(({ off }) => off !== undefined).length, 'unlike the others'),
    count(rows.filter(({ old }) => old).length, 'older'),
    count(rows.filter(({ newest }) => newest === undefined).length, 'without a value'),
  ]
  return `${parts.filter(Boolean).join('; ')}.`
}

/**
 * What is read aloud when it changes: figures that change each moment are not.
 * @param {readonly Row[]} rows
 */
function unusual(rows) {
  const off = rows.filter(({ off: differs }) => differs !== undefined).sort(byId)
  if (off.length === 0) return ''
  const more = off.length > MOST_SAID ? `, and ${off.length - MOST_SAID} more` : ''
  const names = off.slice(0, MOST_SAID).map(({ deviceId, off: differs }) => `${deviceId} ${differs}`)
  return `Unlike the others: ${names.join(', ')}${more}.`
}

/**
 * The scale of all lines.
 * @param {SiteDay | undefined} day
 * @param {readonly Row[]} rows
 * @returns {readonly [low: number, high: number]}
 */
function rangeOf(day, rows) {
  const shown = new Set(rows.map(({ deviceId }) => deviceId))
  const series = (day?.series ?? []).filter(({ deviceId }) => shown.has(deviceId))
  const low = series.reduce((least, { min }) => min.reduce((a, b) => Math.min(a, b), least), Number.POSITIVE_INFINITY)
  const high = series.reduce((most, { max }) => max.reduce((a, b) => Math.max(a, b), most), Number.NEGATIVE_INFINITY)
  return low <= high ? [low, high] : [0, 1]
}

/** @param {Row} row */
function rank({ off, old, newest, device }) {
  if (off !== undefined) return 3
  if (device.state === 'lost' || device.state === 'silent' || old) return 2
  return newest === undefined ? 1 : 0
}

/**
 * @param {Row} a
 * @param {Row} b
 */
function byId(a, b) {
  return names.compare(a.deviceId, b.deviceId)
}
