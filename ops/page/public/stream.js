/** @import { Frame } from '../messages.ts' */

/** By then a section that watches something has begun to. */
const IDLE_MS = 1_000

/**
 * The page's one stream of events. Whoever watches a channel gets its newest state at once and each
 * later one. The browser comes back by itself if the connection is lost.
 * @param {(how: { readonly open: boolean, readonly since: Date }) => void} changed
 */
export function createStream(changed) {
  /** @type {Map<string, Set<(frame: Frame) => void>>} */
  const watchers = new Map()
  /** @type {Map<string, Frame>} */
  const newest = new Map()
  /** @type {EventSource | undefined} */
  let source
  let asked = ''
  let planned = false
  /** @type {{ open: boolean, since: Date }} */
  let how = { open: false, since: new Date() }

  /** @param {boolean} open */
  const set = (open) => {
    if (how.open !== open) how = { open, since: new Date() }
    changed(how)
  }

  const dial = () => {
    planned = false
    const wanted = JSON.stringify([...watchers.keys()].sort())
    if (wanted === asked && source?.readyState !== EventSource.CLOSED) return
    asked = wanted
    source?.close()
    const mine = new EventSource(`events?channels=${encodeURIComponent(wanted)}`)
    source = mine
    mine.onopen = () => set(true)
    mine.onerror = () => {
      set(false)
      // The server refused it, as while it starts: a browser does not try again by itself.
      if (mine.readyState === EventSource.CLOSED && source === mine) setTimeout(plan, 3_000)
    }
    mine.onmessage = ({ data }) => {
      /** @type {Frame} */
      const frame = JSON.parse(data)
      // A problem does not take away what was said before.
      if (frame.problem === undefined) newest.set(frame.channel, frame)
      for (const show of watchers.get(frame.channel) ?? []) show(frame)
    }
  }

  // Sections that change take turns with each other: one new stream, not two.
  const plan = () => {
    if (planned) return
    planned = true
    setTimeout(dial, 0)
  }

  // What watches nothing shows too whether the server is there.
  setTimeout(plan, IDLE_MS)

  return {
    /**
     * @param {string} channel
     * @param {(frame: Frame) => void} show
     * @returns {() => void} ends it
     */
    watch(channel, show) {
      const known = watchers.get(channel) ?? new Set()
      watchers.set(channel, known)
      known.add(show)
      const before = newest.get(channel)
      if (before !== undefined) show(before)
      plan()
      return () => {
        known.delete(show)
        if (known.size === 0 && watchers.get(channel) === known) {
          watchers.delete(channel)
          newest.delete(channel)
        }
        plan()
      }
    },
  }
}
