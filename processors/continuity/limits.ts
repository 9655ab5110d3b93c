/**
 * What a device can number is bounded. Each bound is far beyond what a device does that works, and
 * small enough that ten thousand devices which go to all of them at once are borne.
 */

/**
 * Rows of boots that a device has in the database. Beyond, the boots heard of least lately are
 * folded into one row for the device,
 */
export const MOST_BOOTS = 256
/**
 * down to so many, so that a device that wakes up under a new number each time is not folded each
 * time.
 */
export const KEPT_BOOTS = 192
/**
 * Of these, so many that were heard of last are never folded; of the others those that lack nothing
 * go first.
 */
export const NEWEST_BOOTS = 64

/** Boots of one device that stay in memory once they are written. */
export const BOOTS_IN_MEMORY = 32
/**
 * Boots in memory that are not written yet: about 1 KB each. Reading waits for the database then.
 */
export const MOST_UNWRITTEN = 10_000
/**
 * Boots in memory altogether: beyond, those that are written are loaded again when they are heard
 * of.
 */
export const MOST_IN_MEMORY = 100_000

/** Ranges of one boot. Beyond, its lower numbers are settled: they are counts from then on. */
export const MOST_RANGES = 1_000
/** Ranges of numbers that are too high to be believed; more of them are only counted. */
export const MOST_UNBELIEVED_RANGES = 100
/** Ranges of the folded boots' numbers: beyond, those nearest to each other are taken for one. */
export const MOST_FOLDED_RANGES = 1_000

/** Boots of names that are no devices, of all names together. */
export const MOST_STRANGERS = 1_000

/**
 * More samples than that a device cannot have discarded before one frame: a hundred a second for
 * 115 days.
 */
export const MOST_DROPPED = 1_000_000_000

/** Numbers below which nobody needs to look at the time. */
const MISSED_OFTEN = 1_000
/** Numbers that may be missed at once whatever the time was: two days of a frame a second. */
const MISSED_AT_ONCE = 200_000
/** Frames of one device in a second, for long: a device that seals on time makes one. */
const FRAMES_PER_SECOND = 100
/** More than that is no gap, however long it took: 115 days of a frame a second. */
const MOST_MISSED = 10_000_000

/**
 * Whether a device can have numbered so many frames that nobody has seen.
 * @param elapsedMs since the last frame before them, by the device's clock or by the line's,
 *   whichever is more; Infinity where there was none
 */
export function canHaveMissed(frames: number, elapsedMs: number): boolean {
  return frames <= Math.min(MOST_MISSED, MISSED_AT_ONCE + (FRAMES_PER_SECOND * elapsedMs) / 1000)
}

/**
 * Whether so few frames were missed that they need no look at the time: nearly every frame misses
 * none.
 */
export function areFew(frames: number): boolean {
  return frames <= MISSED_OFTEN
}

/**
 * Whether a device can have numbered so many frames since the first that was heard of: many small
 * leaps are a large one.
 * @param seen of them, frames that were
 */
export function canHaveNumbered(frames: number, seen: number, elapsedMs: number): boolean {
  return frames <= MISSED_AT_ONCE + seen + (FRAMES_PER_SECOND * elapsedMs) / 1000
}

/** Whether a number this far below the first that was heard of is another story: see Ledger. */
export function isFarBelow(seq: number, begins: number): boolean {
  return begins - seq > MOST_MISSED
}
