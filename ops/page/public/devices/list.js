/** @import { DeviceList } from '../../devices/messages.ts' */
/** @import { Page } from '../page.js' */
/** @import { Column } from '../table.js' */
import { element, setChildren, setText } from '../dom.js'
import { table } from '../table.js'
import { deviceAddress, listAddress, siteAddress } from './address.js'
import { age, batteryOf, stateOf, toneOf } from './facts.js'
import { place as placeOf } from './figures.js'
import { repeat } from './repeat.js'

const STATES = ['ready', 'sleeping', 'init', 'silent', 'lost', 'unknown']
const AGAIN_MS = 30_000

/**
 * The list of devices: search, filters, fifty at a time.
 * @param {HTMLElement} where
 * @param {Page} page
 * @param {URLSearchParams} query
 */
export async function showList(where, page, query) {
  const filter = Object.fromEntries(['search', 'state', 'account', 'site', 'after'].map((name) => [name, query.get(name) ?? '']))
  const { search = '', state = '', account = '', site = '', after = '' } = filter
  const searched = element('input', { type: 'search', name: 'search', value: search, autocomplete: 'off', spellcheck: 'false' })
  const chosen = element(
    'select',
    { name: 'state' },
    element('option', { value: '' }, 'any'),
    ...STATES.map((each) => element('option', { value: each, selected: each === state }, each)),
  )
  const form = element(
    'form',
    { class: 'fields', role: 'search' },
    element('label', {}, 'Device, asset, account or site', searched),
    element('label', {}, 'State', chosen),
    element('button', {}, 'Search'),
    account !== '' || site !== '' ? element('a', { href: listAddress({ search, state }) }, 'of all accounts and sites') : null,
  )
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    location.hash = listAddress({ search: searched.value.trim(), state: chosen.value, account, site })
  })
  const now = () => Date.now()
  /** @type {readonly Column<DeviceList['devices'][number]>[]} */
  const columns = [
    { name: 'Device', text: ({ id }) => id, href: ({ id }) => deviceAddress(id) },
    { name: 'State', text: (device) => stateOf(device, now()), tone: toneOf },
    { name: 'Last contact', text: ({ lastContact }) => age(lastContact, now()) },
    { name: 'Newest reading', text: ({ lastReading }) => age(lastReading, now()) },
    { name: 'Account', text: ({ account: name }) => name ?? 'none', href: ({ accountId }) => listAddress({ account: accountId ?? '' }) },
    {
      name: 'Site',
      text: ({ site: name }) => name ?? 'none',
      href: ({ siteId }) => (siteId === null ? listAddress({}) : siteAddress(siteId)),
    },
    { name: 'Asset', text: ({ asset, id }) => (asset === id ? 'itself' : (asset ?? '?')) },
    { name: 'Measures', text: ({ measures }) => measures.map((each) => each.replaceAll('_', ' ')).join(', ') || 'nothing yet', wide: true },
    { name: 'Battery', text: batteryOf },
    { name: 'Firmware', text: ({ firmware }) => firmware ?? '?' },
    { name: 'Position', text: ({ position }) => (position === null ? '?' : placeOf(position)) },
  ]
  const devices = table('Devices', columns, ({ id }) => id)
  const pages = element('p', { class: 'buttons' })
  const said = element('p', { class: 'hidden-but-read', role: 'status' })
  setChildren(where, form, devices.element, pages, said)

  const show = async () => {
    const asked = new URLSearchParams(Object.entries(filter).filter(([, value]) => value !== ''))
    /** @type {DeviceList} */
    const found = await page.get(`devices/list?${asked}`)
    devices.update(found.devices, 'none is like that')
    const last = found.devices.at(-1)
    const next =
      found.more && last !== undefined ? element('a', { href: listAddress({ ...filter, after: last.id }) }, 'Next devices') : null
    const first = after === '' ? null : element('a', { href: listAddress({ ...filter, after: '' }) }, 'First devices')
    setChildren(pages, first, next)
    setText(said, `${found.devices.length} devices shown${found.more ? ', there are more' : ''}`)
  }
  await show()
  repeat(show, AGAIN_MS, page)
}
