/** A load that was tried. */
export interface Trial {
  readonly kind: 'probe' | 'confirmation'
  /** Readings a second. */
  readonly rate: number
  readonly sustained: boolean
  /**
   * Readings a second from the first to the last row, the time to catch up included: about what the
   * line can do where it was overloaded.
   */
  readonly throughput: number
}

export type Step =
  | { readonly tag: 'probe'; readonly rate: number }
  | { readonly tag: 'confirm'; readonly rate: number }
  | { readonly tag: 'done'; readonly rate: number }
  /** No confirmation succeeded. */
  | { readonly tag: 'given-up' }

export interface SearchOptions {
  readonly firstRate: number
  readonly probes: number
  readonly confirmations: number
}

/** From a probe that held to the next. */
const UP = 1.3
/**
 * From a probe or a minute that did not hold to the next; what it got through may be lower still.
 */
const DOWN = 0.95
/**
 * From the highest probe that held to the first minute: a few seconds bear what a minute does not,
 * and a line that was overloaded may stay slow.
 */
const FIRST_MINUTE = 0.85
/** From a minute that held to the next. */
const UP_MINUTE = 1.1
/** Narrow enough between a minute that held and one that did not. */
const CLOSE = 1.06

/**
 * What to try next, given all that was tried: probes find about where the highest rate is, then
 * minutes climb to it from below.
 */
export function nextStep(trials: readonly Trial[], { firstRate, probes, confirmations }: SearchOptions): Step {
  const confirmed = trials.filter(({ kind }) => kind === 'confirmation')
  if (confirmed.length > 0) return nextMinute(confirmed, confirmations)
  const { held, failed } = bracket(trials)
  const lowest = Math.min(firstRate, ...trials.filter(({ sustained }) => !sustained).map(({ throughput }) => throughput))
  if (held > 0 && (failed !== Number.POSITIVE_INFINITY || trials.length >= probes))
    return { tag: 'confirm', rate: rounded(held * FIRST_MINUTE) }
  if (held > 0) return { tag: 'probe', rate: rounded(held * UP) }
  const rate = failed === Number.POSITIVE_INFINITY ? firstRate : Math.min(failed * DOWN, lowest)
  return { tag: trials.length >= probes ? 'confirm' : 'probe', rate: rounded(rate) }
}

function nextMinute(minutes: readonly Trial[], most: number): Step {
  const { held, failed } = bracket(minutes)
  if (held > 0 && (failed / held <= CLOSE || minutes.length >= most)) return { tag: 'done', rate: held }
  if (minutes.length >= most) return { tag: 'given-up' }
  if (held === 0)
    return { tag: 'confirm', rate: rounded(Math.min(...minutes.map(({ rate, throughput }) => Math.min(rate * DOWN, throughput)))) }
  return { tag: 'confirm', rate: rounded(failed === Number.POSITIVE_INFINITY ? held * UP_MINUTE : Math.sqrt(held * failed)) }
}

/** The highest rate that held, and the lowest above it that did not. */
function bracket(trials: readonly Trial[]): { held: number; failed: number } {
  const held = Math.max(0, ...trials.filter(({ sustained }) => sustained).map(({ rate }) => rate))
  const failures = trials.filter(({ sustained, rate }) => !sustained && rate > held)
  return { held, failed: Math.min(Number.POSITIVE_INFINITY, ...failures.map(({ rate }) => rate)) }
}

function rounded(rate: number): number {
  return Math.round(rate / 100) * 100
}
