import { readAddress } from '../devices/address.js'
import { showDevice } from '../devices/device.js'
import { showList } from '../devices/list.js'

/** @type {import('../page.js').Mount} */
export function mount(place, page) {
  const { name, query } = readAddress(location.hash)
  return name === '' ? showList(place, page, query) : showDevice(place, page, name, query)
}
