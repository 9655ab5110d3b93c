/** @import { Refusal } from '../messages.ts' */
import { element, setText } from './dom.js'

/**
 * What a section's `mount(element, page)` gets.
 * @typedef {object} Page
 * @property {string} parameter what comes after the section in the address: `hive-17` of
 *   #devices/hive-17
 * @property {readonly string[]} path the same, cut at its slashes; what is within an element may
 *   have some of its own
 * @property {boolean} actions whether there is a token, so that actions can be tried
 * @property {<State>(channel: string, show: (state: State) => void) => void} watch shows each state
 *   of a channel until the section is left. A problem of the channel is shown above the section.
 *   Until the first channel has a state, the page says what it waits for in place of the section.
 * @property {() => void} ready there is something to show before that
 * @property {(path: string) => Promise<any>} get asks `api/<path>`; rejects with what is wrong
 * @property {(path: string, body: unknown) => Promise<any>} act the same with the
 *   token, to change something
 * @property {AbortSignal} signal aborted when the section is left
 */

/**
 * A section: fills the element, which is empty and has its heading already. If it rejects, the page
 * says why, and it is called again.
 * @typedef {(element: HTMLElement, page: Page) => void | Promise<void>} Mount
 */

/**
 * Asks the server.
 * @param {string} path below api/
 * @param {RequestInit} options
 * @returns {Promise<any>}
 * @throws Error in words for people; its cause is the status, if there is an answer
 */
export async function ask(path, options = {}) {
  const response = await fetch(`api/${path}`, { ...options, cache: 'no-store', credentials: 'omit', redirect: 'error' }).catch(
    (/** @type {unknown} */ cause) => {
      if (options.signal?.aborted) throw cause
      throw new Error('the server of this page does not answer')
    },
  )
  if (response.ok) return await response.json()
  /** @type {Refusal} */
  const refusal = await response.json().catch(() => ({ problem: `the server of this page answers ${response.status}` }))
  throw new Error(refusal.problem, { cause: response.status })
}

/**
 * A place for what is wrong: a paragraph that is read aloud when it appears.
 */
export function problemLine() {
  const line = element('p', { class: 'problem', role: 'alert' })
  line.hidden = true
  return {
    element: line,
    /** @param {string | undefined} text undefined: all is well */
    show(text) {
      line.hidden = text === undefined
      setText(line, text ?? '')
    },
  }
}
