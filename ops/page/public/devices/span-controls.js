/** @import { Span } from './span.js' */
import { element, setAttribute } from '../dom.js'
import { LENGTHS, lastOf, panned, zoomed } from './span.js'

/**
 * Buttons that choose which time is shown.
 * @param {() => Span} span
 * @param {(to: Span) => void} go
 */
export function spanControls(span, go) {
  /**
   * @param {string} text
   * @param {() => Span} to
   */
  const button = (text, to) => {
    const made = element('button', { type: 'button' }, text)
    made.onclick = () => go(to())
    return made
  }
  const lengths = LENGTHS.map(({ name, ms }) => ({ ms, made: button(name, () => lastOf(ms, Date.now())) }))
  return {
    element: element(
      'div',
      { class: 'buttons', role: 'group', 'aria-label': 'Time shown' },
      ...lengths.map(({ made }) => made),
      button('Earlier', () => panned(span(), -0.5, Date.now())),
      button('Later', () => panned(span(), 0.5, Date.now())),
      button('Zoom in', () => zoomed(span(), 0.5, Date.now())),
      button('Zoom out', () => zoomed(span(), 2, Date.now())),
    ),
    /** Says which length is shown. */
    tell() {
      const { from, to, follows } = span()
      for (const { made, ms } of lengths) setAttribute(made, 'aria-pressed', String(follows && Math.abs((to - from) / ms - 1) < 0.05))
    },
  }
}
