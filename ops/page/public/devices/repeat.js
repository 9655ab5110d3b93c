/** @import { Page } from '../page.js' */

/**
 * Does something again and again while the section is shown and somebody can see it. The pause is
 * longer if it takes long. What fails is tried again: the page says what is wrong.
 * @param {() => void | Promise<void>} work
 * @param {number | (() => number)} pauseMs
 * @param {Pick<Page, 'signal'>} page
 * @param {(cause: unknown) => void} [failed]
 */
export function repeat(work, pauseMs, { signal }, failed = () => undefined) {
  const SHARE = 0.05
  let due = 0
  const plan = (/** @type {number} */ tookMs) => {
    due = setTimeout(
      async () => {
        if (signal.aborted) return
        const began = performance.now()
        if (!document.hidden) await Promise.resolve(work()).catch(failed)
        plan(performance.now() - began)
      },
      Math.max(typeof pauseMs === 'number' ? pauseMs : pauseMs(), tookMs / SHARE),
    )
  }
  signal.addEventListener('abort', () => clearTimeout(due))
  if (!signal.aborted) plan(0)
}
