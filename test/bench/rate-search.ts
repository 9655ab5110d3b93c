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
/** The bracket is narrow enough. */
const CLOSE = 1.06
/** From a probe that held to a minute that must, and from a minute that did not hold to the next. */
const STEP_DOWN = 0.95

/** What to try next, given all that was tried: probes narrow down the highest rate, then confirmations at full length settle it. */
export function nextStep(trials: readonly Trial[], { firstRate, probes, confirmations }: SearchOptions): Step {
  const confirmed = trials.filter(({ kind }) => kind === 'confirmation')
  const success = confirmed.find(({ sustained }) => sustained)
  if (success !== undefined) return { tag: 'done', rate: success.rate }
  const lastConfirmed = confirmed.at(-1)
  if (lastConfirmed !== undefined) {
    if (confirmed.length >= confirmations) return { tag: 'given-up' }
    return { tag: 'confirm', rate: rounded(Math.min(lastConfirmed.rate * STEP_DOWN, lastConfirmed.throughput)) }
  }
  const held = Math.max(0, ...trials.filter(({ sustained }) => sustained).map(({ rate }) => rate))
  const failures = trials.filter(({ sustained, rate }) => !sustained && rate > held)
  const failed = Math.min(Number.POSITIVE_INFINITY, ...failures.map(({ rate }) => rate))
  if (held > 0 && failed / held <= CLOSE) return { tag: 'confirm', rate: held }
  if (trials.length >= probes) return { tag: 'confirm', rate: held > 0 ? held : rounded(lowest(failures, firstRate) * STEP_DOWN) }
  if (trials.length === 0) return { tag: 'probe', rate: rounded(firstRate) }
  if (failed === Number.POSITIVE_INFINITY) return { tag: 'probe', rate: rounded(held * UP) }
  if (held === 0) return { tag: 'probe', rate: rounded(Math.min(failed * STEP_DOWN, lowest(failures, firstRate))) }
  return { tag: 'probe', rate: rounded(Math.sqrt(held * failed)) }
}

function lowest(failures: readonly Trial[], otherwise: number): number {
  return Math.min(otherwise, ...failures.map(({ throughput }) => throughput))
}

function rounded(rate: number): number {
  return Math.round(rate / 100) * 100
}
