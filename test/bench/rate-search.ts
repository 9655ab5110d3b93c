/** A load that was tried. */
export interface Trial {
  readonly kind: 'probe' | 'confirmation'
  /** Readings a second. */
  readonly rate: number
  readonly sustained: boolean
  /** Readings a second from the first to the last row, the time to catch up included: about what the line can do where it was overloaded. */
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

/** While nothing has failed. */
const UP = 1.3
/** The bracket is narrow enough: between two probes, and between a minute that held and one that did not. */
const CLOSE = 1.06
const CLOSE_MINUTES = 1.1
/** From a probe that held to a minute that must, and from a minute that did not hold to the next. */
const STEP_DOWN = 0.95

/** What to try next, given all that was tried: probes narrow down the highest rate, then confirmations at full length settle it. */
export function nextStep(trials: readonly Trial[], { firstRate, probes, confirmations }: SearchOptions): Step {
  const confirmed = trials.filter(({ kind }) => kind === 'confirmation')
  if (confirmed.length > 0) return nextMinute(confirmed, confirmations)
  const { held, failures, failed } = bracket(trials)
  if (held > 0 && failed / held <= CLOSE) return { tag: 'confirm', rate: held }
  if (trials.length >= probes) return { tag: 'confirm', rate: held > 0 ? held : rounded(lowest(failures, firstRate) * STEP_DOWN) }
  if (trials.length === 0) return { tag: 'probe', rate: rounded(firstRate) }
  if (failed === Number.POSITIVE_INFINITY) return { tag: 'probe', rate: rounded(held * UP) }
  if (held === 0) return { tag: 'probe', rate: rounded(Math.min(failed * STEP_DOWN, lowest(failures, firstRate))) }
  return { tag: 'probe', rate: rounded(Math.sqrt(held * failed)) }
}

function nextMinute(minutes: readonly Trial[], most: number): Step {
  const { held, failed } = bracket(minutes)
  if (held > 0 && (failed === Number.POSITIVE_INFINITY || failed / held <= CLOSE_MINUTES || minutes.length >= most))
    return { tag: 'done', rate: held }
  if (minutes.length >= most) return { tag: 'given-up' }
  // What an overloaded line got through may be far below what it sustains: after a step too far down, up again.
  if (held > 0) return { tag: 'confirm', rate: rounded(Math.sqrt(held * failed)) }
  return { tag: 'confirm', rate: rounded(Math.min(...minutes.map(({ rate, throughput }) => Math.min(rate * STEP_DOWN, throughput)))) }
}

/** The highest rate that held, what did not hold above it, and the lowest of those. */
function bracket(trials: readonly Trial[]): { held: number; failures: readonly Trial[]; failed: number } {
  const held = Math.max(0, ...trials.filter(({ sustained }) => sustained).map(({ rate }) => rate))
  const failures = trials.filter(({ sustained, rate }) => !sustained && rate > held)
  return { held, failures, failed: Math.min(Number.POSITIVE_INFINITY, ...failures.map(({ rate }) => rate)) }
}

function lowest(failures: readonly Trial[], otherwise: number): number {
  return Math.min(otherwise, ...failures.map(({ throughput }) => throughput))
}

function rounded(rate: number): number {
  return Math.round(rate / 100) * 100
}
