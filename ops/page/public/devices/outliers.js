/**
 * Which of the devices of a site differs from the others.
 *
 * @typedef {object} Spread
 * @property {number} median
 * @property {number} usual how far a value usually is from the median, as a standard deviation
 */

/** The factor that makes a standard deviation of the median of the distances, for normal values. */
const NORMAL = 1.4826
const FAR = 3.5
/** Fewer values than this have no outlier: any of them could be it. */
const LEAST = 5

/**
 * By the median, and the median of the distances to it (MAD): one that is far off does not move
 * them, as it would the mean.
 * @param {readonly number[]} values
 * @returns {Spread | undefined} undefined for no values
 */
export function spreadOf(values) {
  if (values.length === 0) return undefined
  const median = middle(values)
  return { median, usual: NORMAL * middle(values.map((value) => Math.abs(value - median))) }
}

/**
 * @param {number} value
 * @param {Spread} spread
 * @param {number} count of the values that the spread is of
 * @returns {'high' | 'low' | undefined} undefined: it is like the others
 */
export function outlier(value, { median, usual }, count) {
  if (count < LEAST) return undefined
  // If more than half are equal, or sensors have few steps, a step is no outlier.
  const least = Math.max(Math.abs(median) * 0.02, 0.1)
  const far = Math.max(FAR * usual, least)
  if (Math.abs(value - median) <= far) return undefined
  return value > median ? 'high' : 'low'
}

/** @param {readonly number[]} values */
function middle(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length >> 1
  const upper = /** @type {number} */ (sorted[half])
  return sorted.length % 2 === 1 ? upper : (upper + /** @type {number} */ (sorted[half - 1])) / 2
}
