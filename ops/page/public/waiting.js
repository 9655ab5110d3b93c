import { element, setText } from './dom.js'
import { clockTime } from './format.js'

/** An answer takes less than that, unless something is wrong. */
const LATE_MS = 5_000
const BARS = 6

/**
 * What stands in the place of a section until it has something to show: what it waits for, in
 * words, which are read aloud, and bars.
 * @param {string} what as in `the partitions, from the telemetry database`
 * @param {HTMLElement} place is hidden meanwhile; its width can be measured
 * @param {AbortSignal} signal aborted when the section is left
 */
export function createWaiting(what, place, signal) {
  const said = element('p', { role: 'status' })
  const bars = element('div', { class: 'skeleton', 'aria-hidden': 'true' }, ...Array.from({ length: BARS }, () => element('div')))
  const shown = element('div', { class: 'waiting' }, said, bars)
  const since = new Date()
  let late = false
  let open = true
  const tell = () => {
    const whose = open ? what : 'the server of this page'
    const more = late || !open ? ` since ${clockTime(since)}: no answer yet. It is asked again and again` : ''
    setText(said, `Waiting for ${whose}${more}.`)
    bars.classList.toggle('late', late || !open)
  }
  const isLate = () => {
    late = true
    tell()
  }
  const timer = setTimeout(isLate, LATE_MS)
  const end = () => {
    clearTimeout(timer)
    shown.remove()
    place.classList.remove('not-yet')
  }
  signal.addEventListener('abort', end)
  place.classList.add('not-yet')
  return {
    element: shown,
    /** Once it is in the document: a reader of the screen hears of changes. */
    begin: tell,
    /** @param {boolean} is whether the server of the page answers */
    connected(is) {
      open = is
      tell()
    },
    /** It has been said what is wrong. */
    failed: isLate,
    end,
  }
}
