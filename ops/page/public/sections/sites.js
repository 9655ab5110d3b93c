/** @import { SiteFacts, SiteList } from '../../devices/messages.ts' */
/** @import { Page } from '../page.js' */
/** @import { Column } from '../table.js' */
import { listAddress, readAddress, siteAddress } from '../devices/address.js'
import { repeat } from '../devices/repeat.js'
import { showSite } from '../devices/site.js'
import { setChildren } from '../dom.js'
import { table } from '../table.js'

const AGAIN_MS = 30_000

/** @type {import('../page.js').Mount} */
export function mount(place, page) {
  const { name, query } = readAddress(location.hash)
  return name === '' ? showSites(place, page) : showSite(place, page, name, query)
}

/**
 * @param {HTMLElement} place
 * @param {Page} page
 */
async function showSites(place, page) {
  /** @type {readonly Column<SiteFacts>[]} */
  const columns = [
    { name: 'Site', text: ({ name }) => name, href: ({ id }) => siteAddress(id) },
    { name: 'Account', text: ({ account }) => account, href: ({ accountId }) => listAddress({ account: accountId }) },
    { name: 'Kind', text: ({ kind }) => kind },
    { name: 'Devices', text: ({ devices }) => devices, number: true },
  ]
  const sites = table('Sites', columns, ({ id }) => id)
  setChildren(place, sites.element)
  const show = async () => {
    /** @type {SiteList} */
    const found = await page.get('devices/sites')
    sites.update(found.sites, 'none is known')
  }
  await show()
  repeat(show, AGAIN_MS, page)
}
