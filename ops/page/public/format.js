/** Figures and times for people. What is not known is `?`, and never 0. */

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })
const tenth = new Intl.NumberFormat('en-US', { minimumFractionDigits: 1, maximumFractionDigits: 1 })

/** @typedef {number | null | undefined} Figure undefined or null: not known */

/**
 * @param {Figure} value
 * @returns {string}
 */
export function count(value) {
  return known(value) ? whole.format(value) : '?'
}

/**
 * A rate: with a digit after the point where it would otherwise be lost.
 * @param {Figure} value
 * @returns {string}
 */
export function rate(value) {
  if (!known(value)) return '?'
  return value > 0 && value < 10 ? tenth.format(value) : whole.format(value)
}

/**
 * 40 ms, 0.4 s, 35 s, 12 min, 5 h, 3 d.
 * @param {Figure} seconds
 * @returns {string}
 */
export function duration(seconds) {
  if (!known(seconds)) return '?'
  if (seconds === 0) return '0 s'
  if (seconds < 0.1) return `${whole.format(seconds * 1_000)} ms`
  if (seconds < 10) return `${tenth.format(seconds)} s`
  if (seconds < 120) return `${whole.format(seconds)} s`
  if (seconds < 7_200) return `${whole.format(seconds / 60)} min`
  if (seconds < 172_800) return `${whole.format(seconds / 3_600)} h`
  return `${whole.format(seconds / 86_400)} d`
}

/**
 * @param {Figure} value
 * @returns {string}
 */
export function bytes(value) {
  if (!known(value)) return '?'
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let at = 0
  let rest = value
  while (rest >= 1_024 && at < units.length - 1) {
    rest /= 1_024
    at++
  }
  return `${at === 0 ? whole.format(rest) : tenth.format(rest)} ${units[at]}`
}

/**
 * The time of day where the reader is; with the day if it is another one.
 * @param {Date} time
 * @returns {string}
 */
export function clockTime(time) {
  const clock = time.toLocaleTimeString('en-GB')
  return time.toDateString() === new Date().toDateString() ? clock : `${time.toLocaleDateString('en-CA')} ${clock}`
}

/**
 * @param {Figure} value
 * @returns {value is number}
 */
function known(value) {
  return value !== null && value !== undefined && Number.isFinite(value)
}
