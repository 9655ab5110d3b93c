/**
 * Bounds on what a device can number. Each is far beyond what a working device does, and small
 * enough that ten thousand devices may reach all of them at once.
 */

/**
 * Most rows of boots that a device has in the database. If there are more, some of its boots are
 * folded into one row for the device.
 */
export const MOST_BOOTS = 256
/**
 * Rows that are left after folding. It is less than the most, so that a device that wakes up under
 * a new number each time is not folded each time.
 */
export const KEPT_BOOTS = 192
/**
 * Of the rows, this many that were heard of last are never folded. Of the others, those that lack
 * nothing go first, then those heard of least lately.
 */
export const NEWEST_BOOTS = 64

/** Boots of one device that stay in memory once they are written. */
export const BOOTS_IN_MEMORY = 32
/**
 * Most boots in memory that are not written yet, about 1 KB each. At this many, reading waits for
 * the database.
 */
export const MOST_UNWRITTEN = 10_000
/**
 * Most boots in memory altogether. If there are more, written ones are forgotten, and loaded again
 * when they are heard of.
 */
export const MOST_IN_MEMORY = 100_000

/**
 * Most ranges of one boot. If there are more, its lower numbers are settled: they are counts from
 * then on.
 */
export const MOST_RANGES = 1_000
/** Ranges of numbers that are too high to be believed; more of them are only counted. */
export const MOST_UNBELIEVED_RANGES = 100
/**
 * Most ranges of the folded boots' numbers. If there are more, those nearest to each other are
 * taken for one.
 */
export const MOST_FOLDED_RANGES = 1_000

/** Boots of names that are no devices, of all names together. */
export const MOST_STRANGERS = 1_000

/**
 * Most samples that a device can have discarded before one frame: a hundred a second for 115 days.
 */
export const MOST_DROPPED = 1_000_000_000

/** Up to this many missed numbers nobody needs to look at the time. */
const MISSED_OFTEN = 1_000
/** Numbers that may be missed at once whatever the time was: two days of a frame a second. */
const MISSED_AT_ONCE = 200_000
/** Frames that one device can make a second for long. A device that seals on time makes one. */
const FRAMES_PER_SECOND = 100
/** A larger gap is not believed, however long it took: 115 days of a frame a second. */
const MOST_MISSED = 10_000_000

/**
 * Whether a device can have numbered so many frames that nobody has seen.
 * @param elapsedMs since the last frame before them, by the device's clock or by the line's,
 *   whichever is more; Infinity if there was none
 */
export function canHaveMissed(frames: number, elapsedMs: number): boolean {
  return frames <= Math.min(MOST_MISSED, MISSED_AT_ONCE + (FRAMES_PER_SECOND * elapsedMs) / 1000)
}

/**
 * Whether so few frames were missed that nobody needs to look at the time. Nearly always none was.
 */
export function areFew(frames: number): boolean {
  return frames <= MISSED_OFTEN
}

/**
 * Whether a device can have numbered so many frames since the first that was heard of: many small
 * leaps make a large one.
 * @param seen how many of these frames were seen
 */
export function canHaveNumbered(frames: number, seen: number, elapsedMs: number): boolean {
  return frames <= MISSED_AT_ONCE + seen + (FRAMES_PER_SECOND * elapsedMs) / 1000
}

/**
 * Whether a number is so far below the first that was heard of that the two cannot both be true:
 * see `Boot`.
 */
export function isFarBelow(seq: number, begins: number): boolean {
  return begins - seq > MOST_MISSED
}
