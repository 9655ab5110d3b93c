/**
 * Addresses of devices and sites within the page. A name may have any character, so it is encoded;
 * what is to be shown of it follows after a question mark.
 */

/**
 * @param {string} device
 * @param {string} [query]
 */
export function deviceAddress(device, query = '') {
  return `#devices/${encodeURIComponent(device)}${query === '' ? '' : `?${query}`}`
}

/** @param {Readonly<Record<string, string>>} filter those that are empty are left out */
export function listAddress(filter) {
  const query = new URLSearchParams(Object.entries(filter).filter(([, value]) => value !== ''))
  return `#devices/${query.size === 0 ? '' : `?${query}`}`
}

/**
 * @param {string} site
 * @param {string} [query]
 */
export function siteAddress(site, query = '') {
  return `#sites/${encodeURIComponent(site)}${query === '' ? '' : `?${query}`}`
}

/**
 * What an address names, and what of it is to be shown.
 * @param {string} hash of the address, as in #devices/hive-7?last=3600000
 * @returns {{ readonly name: string, readonly query: URLSearchParams }}
 */
export function readAddress(hash) {
  const [path = '', ...query] = hash.split('?')
  const encoded = path.slice(path.indexOf('/') + 1)
  return { name: path.includes('/') ? decoded(encoded) : '', query: new URLSearchParams(query.join('?')) }
}

/**
 * The device of a channel (hive-7/brood); a device is its own.
 * @param {string} deviceId
 */
export function ownerOf(deviceId) {
  return deviceId.split('/')[0] ?? deviceId
}

/**
 * @param {string} deviceId as in readings
 * @param {string} device whose it is
 * @returns {string} the channel; empty for the device itself
 */
export function channelOf(deviceId, device) {
  return deviceId.slice(device.length + 1)
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text)
  } catch {
    // Somebody wrote it by hand.
    return text
  }
}
