/**
 * The span of time that charts show, in milliseconds since 1970. One that follows ends now, and
 * moves on.
 * @typedef {{ readonly from: number, readonly to: number, readonly follows: boolean }} Span
 */

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** Lengths to choose from. @type {readonly { readonly name: string, readonly ms: number }[]} */
export const LENGTHS = [
  { name: '15 min', ms: 15 * MINUTE },
  { name: '1 h', ms: HOUR },
  { name: '6 h', ms: 6 * HOUR },
  { name: '24 h', ms: DAY },
  { name: '7 d', ms: 7 * DAY },
  { name: '30 d', ms: 30 * DAY },
  { name: '1 y', ms: 365 * DAY },
]

const SHORTEST = 5_000
const LONGEST = 10 * 365 * DAY
/** Clocks of devices run ahead by a little: what is at the right edge is to be seen. */
const AHEAD = 0.02

/**
 * @param {number} ms
 * @param {number} now
 * @returns {Span}
 */
export function lastOf(ms, now) {
  return { from: now - ms, to: now + ms * AHEAD, follows: true }
}

/**
 * The same length, up to now, if it follows.
 * @param {Span} span
 * @param {number} now
 * @returns {Span}
 */
export function moved(span, now) {
  return span.follows ? lastOf((span.to - span.from) / (1 + AHEAD), now) : span
}

/**
 * Shorter if the factor is below 1. The time `around` stays where it is; a span that follows and is
 * not asked for a place keeps its end.
 * @param {Span} span
 * @param {number} factor
 * @param {number} now
 * @param {number} [around]
 * @returns {Span}
 */
export function zoomed(span, factor, now, around) {
  const length = span.to - span.from
  const wanted = clamp(length * factor, SHORTEST, LONGEST)
  if (around === undefined && span.follows) return lastOf(wanted / (1 + AHEAD), now)
  const centre = around ?? span.from + length / 2
  const from = centre - ((centre - span.from) / length) * wanted
  return within({ from, to: from + wanted, follows: false }, now)
}

/**
 * Moves it by a share of its length, back if it is negative. At its end it follows again.
 * @param {Span} span
 * @param {number} share
 * @param {number} now
 * @returns {Span}
 */
export function panned(span, share, now) {
  const by = (span.to - span.from) * share
  return within({ from: span.from + by, to: span.to + by, follows: false }, now)
}

/**
 * What somebody has marked; at least as long as is of use.
 * @param {number} from
 * @param {number} to
 * @param {number} now
 * @returns {Span}
 */
export function between(from, to, now) {
  const length = clamp(to - from, SHORTEST, LONGEST)
  return within({ from, to: from + length, follows: false }, now)
}

/**
 * As it stands in an address: `last=3600000`, or `from=…&to=…`.
 * @param {Span} span
 * @returns {string}
 */
export function spanText(span) {
  const whole = (/** @type {number} */ ms) => String(Math.round(ms))
  return span.follows ? `last=${whole((span.to - span.from) / (1 + AHEAD))}` : `from=${whole(span.from)}&to=${whole(span.to)}`
}

/**
 * @param {URLSearchParams} query
 * @param {number} now
 * @param {number} otherwise length of what is shown if the address says nothing that is of use
 * @returns {Span}
 */
export function spanOf(query, now, otherwise) {
  const [last, from, to] = ['last', 'from', 'to'].map((name) => Number(query.get(name) ?? Number.NaN))
  if (last !== undefined && last >= SHORTEST && last <= LONGEST) return lastOf(last, now)
  if (from !== undefined && to !== undefined && from >= 0 && to > from && to <= now + LONGEST) return between(from, to, now)
  return lastOf(otherwise, now)
}

/**
 * There is nothing to see in the future.
 * @param {Span} span
 * @param {number} now
 * @returns {Span}
 */
function within({ from, to, follows }, now) {
  const length = to - from
  return to > now + length * AHEAD ? lastOf(length / (1 + AHEAD), now) : { from, to, follows }
}

/**
 * @param {number} value
 * @param {number} least
 * @param {number} most
 */
function clamp(value, least, most) {
  return Math.min(most, Math.max(least, value))
}
