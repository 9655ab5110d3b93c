/**
 * When a device is taken to be at rest, and when to have left. The figures come from how GPS errs
 * and how bees are moved, not from any recorded trace.
 */

/**
 * Fixes that agree lie within this of their median. A receiver drifts by 10 to 30 m; under trees
 * 100 m hold 99 % of its fixes.
 */
export const AGREE_METRES = 100
/** Hysteresis: a device at rest is there as long as its fixes are within twice the radius. */
export const LEAVE_METRES = 2 * AGREE_METRES
/**
 * Bees fly so far and find back to where their hive was, so nobody moves hives by less for good
 * without patience: closer to the last place, a longer rest is asked for.
 */
export const NEAR_METRES = 5_000

/** Fixes that must agree before a device is at rest. */
export const REST_FIXES = 6
/** Time at rest, far from the last place: longer than a driver's break, or loading. */
export const REST_MICROS = 3 * 3_600_000_000
/** Time at rest within NEAR_METRES of the last place: a day trip is over by then. */
export const NEAR_REST_MICROS = 24 * 3_600_000_000
/**
 * Time at one place if its fixes have the very coordinates of the one before. Either the receiver
 * repeats its last fix, or the position of a cell tower: that lasts for hours. Or it holds its
 * position while it does not move: that goes on.
 */
export const REPEATED_REST_MICROS = 12 * 3_600_000_000
export const REPEATED_NEAR_REST_MICROS = 48 * 3_600_000_000
/** A gap between two fixes counts as rest for no longer than this: nobody knows what was in it. */
export const GAP_MICROS = 2 * 3_600_000_000

/** A place to rest at is suspected once three of the last five fixes agree. */
export const CANDIDATE_WINDOW = 5
export const CANDIDATE_FIXES = 3
/** A device has left once five of its last six fixes are farther than NEAR_METRES away. */
export const LEAVE_WINDOW = 6
export const LEAVE_FIXES = 5
/**
 * It has been away for so long, and its fixes are not all of one or two places: a receiver that
 * errs by kilometres does so for minutes, or repeats itself.
 */
export const LEAVE_MICROS = 15 * 60_000_000
export const LEAVE_PLACES = 3
/**
 * What was before a gap of so long says nothing about what is after it. Clocks that start years ago
 * make such gaps.
 */
export const FORGET_MICROS = 30 * 24 * 3_600_000_000
/** Latest fixes that are kept. */
export const KEPT_FIXES = 7

/** A fix that knows itself to be worse than this says nothing about where a hive stands. */
export const WORST_ACCURACY_METRES = 300
/** A fix from the future would make late ones of all that come until then. */
export const FUTURE_MICROS = 600_000_000
