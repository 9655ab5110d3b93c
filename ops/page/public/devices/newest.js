/** @import { LiveReading, NewestValue, SiteNow } from '../../devices/messages.ts' */

/** More values than a site has; a device may make up names of channels. */
const MOST = 10_000

/** @param {Pick<NewestValue, 'deviceId' | 'quantity'>} value */
function keyOf({ deviceId, quantity }) {
  // No quantity has a blank in its name.
  return `${quantity} ${deviceId}`
}

/** The newest values that came live: the databases have them later. */
export function createNewest() {
  /** @type {Map<string, NewestValue>} */
  const kept = new Map()
  return {
    /**
     * @param {readonly LiveReading[]} readings they may have come before
     * @returns {boolean} whether there is something new among them
     */
    add(readings) {
      let changed = false
      for (const { deviceId, ts, values } of readings)
        for (const [quantity, value] of Object.entries(values)) {
          const key = keyOf({ deviceId, quantity })
          const known = kept.get(key)
          if (known !== undefined && (known.at > ts || (known.at === ts && known.value === value))) continue
          kept.delete(key)
          kept.set(key, { deviceId, quantity, value, at: ts })
          changed = true
        }
      for (const key of kept.keys()) {
        if (kept.size <= MOST) break
        kept.delete(key)
      }
      return changed
    },
    /**
     * @param {SiteNow} state
     * @returns {SiteNow} with what is newer
     */
    withNewer(state) {
      const values = new Map(state.newest.map((value) => [keyOf(value), value]))
      for (const [key, value] of kept) {
        const stored = values.get(key)
        if (stored === undefined || stored.at < value.at) values.set(key, value)
      }
      return { ...state, newest: [...values.values()] }
    },
  }
}
