/** What another clock showed, and when, by a clock of ours that is never set. */
export interface ClockReading {
  /** Milliseconds since 1970. */
  readonly theirsMs: number
  /** Monotonic, before the question and after the answer. */
  readonly askedAtMs: number
  readonly answeredAtMs: number
}

/** A difference up to this is accepted. Time servers keep machines within milliseconds. */
export const MOST_OFF_MS = 60_000

/**
 * Milliseconds by which a clock is ahead of another. 0 if the time that the answer took can explain
 * the difference.
 */
export function aheadMs({ theirsMs, askedAtMs, answeredAtMs }: ClockReading, nowMs: number, monotonicMs: number): number {
  const uncertainMs = (answeredAtMs - askedAtMs) / 2
  const theirNowMs = theirsMs + monotonicMs - (askedAtMs + answeredAtMs) / 2
  const ahead = nowMs - theirNowMs
  return Math.sign(ahead) * Math.max(0, Math.abs(ahead) - uncertainMs)
}

const UNITS: readonly (readonly [string, number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
]

/** `3 d 4 h`, `71 s` is `1 min 11 s`: the two largest units. */
export function describeDuration(ms: number): string {
  const parts: string[] = []
  let rest = Math.round(ms / 1000) * 1000
  for (const [name, unit] of UNITS) {
    const count = Math.floor(rest / unit)
    rest -= count * unit
    if (count > 0 && parts.length < 2) parts.push(`${count} ${name}`)
    else if (parts.length > 0) break
  }
  return parts.length === 0 ? '0 s' : parts.join(' ')
}
