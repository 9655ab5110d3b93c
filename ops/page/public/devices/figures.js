/** Values and times of readings, as people read them. */

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })
const hundredths = new Intl.NumberFormat('en-US', { maximumFractionDigits: 2 })
const digits = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 3 })

const SECOND = 1
const MINUTE = 60
const DAY = 86_400

/**
 * @param {number} value
 * @returns {string}
 */
export function figure(value) {
  const size = Math.abs(value)
  if (size >= 10_000) return whole.format(value)
  return size >= 1 || size === 0 ? hundredths.format(value) : digits.format(value)
}

/**
 * With its unit. A degree or a per cent of an angle stands beside its number.
 * @param {number} value
 * @param {string} unit
 * @returns {string}
 */
export function withUnit(value, unit) {
  if (unit === '') return figure(value)
  return unit === '°' ? `${figure(value)}°` : `${figure(value)} ${unit}`
}

/**
 * Degrees, as maps take them.
 * @param {{ readonly latitude: number, readonly longitude: number }} position
 */
export function place({ latitude, longitude }) {
  return `${latitude.toFixed(4)}, ${longitude.toFixed(4)}`
}

/**
 * Day and time where the reader is.
 * @param {number} ms
 * @returns {string}
 */
export function momentOf(ms) {
  const time = new Date(ms)
  return `${time.toLocaleDateString('en-CA')} ${time.toLocaleTimeString('en-GB')}`
}

/**
 * A length of time bucket, as in 5 min.
 * @param {number} ms
 */
export function lengthOf(ms) {
  for (const [unit, name] of /** @type {const} */ ([
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'min'],
  ]))
    if (ms >= unit) return `${ms / unit} ${name}`
  return `${ms / 1_000} s`
}

/**
 * Labels of an axis: the time of day, and the day where it changes.
 * @param {readonly number[]} seconds since 1970
 * @param {number} distance of two ticks, in seconds
 * @returns {string[]}
 */
export function tickLabels(seconds, distance) {
  let before = ''
  return seconds.map((each) => {
    const time = new Date(each * 1000)
    const day = time.toLocaleDateString('en-CA')
    if (distance >= DAY) return day
    const clock = time.toLocaleTimeString('en-GB').slice(0, distance < MINUTE * SECOND ? 8 : 5)
    const label = day === before ? clock : `${clock}\n${day}`
    before = day
    return label
  })
}
