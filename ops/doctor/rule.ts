import type { Facts } from './facts/facts.ts'

/**
 * `fault`: data can be lost, or the line will stop. `advice`: it is slower or nearer to a limit
 * than this machine allows. `unknown`: it could not be seen.
 */
export const SEVERITIES = ['fault', 'advice', 'unknown', 'good'] as const
export type Severity = (typeof SEVERITIES)[number]

/** What a rule says of one thing. */
export interface Finding {
  readonly severity: Severity
  /** Which one, if there are several: a disk, a topic, a server. */
  readonly subject?: string
  readonly found: string
  readonly expected: string
  /** What changes it, as it is to be typed. */
  readonly command?: string
}

export interface Rule {
  /** As docs/bare-metal.md has it. */
  readonly id: string
  /** One sentence, word for word as in docs/bare-metal.md. */
  readonly why: string
  /** Nothing for a machine that has no such thing. It decides by the facts alone. */
  readonly judge: (facts: Facts) => readonly Finding[]
}

/**
 * A finding of something that is known: `bad` says how much it matters if it is not as expected.
 */
export function finding(
  asExpected: boolean,
  bad: 'fault' | 'advice',
  said: { readonly subject?: string | undefined; readonly found: string; readonly expected: string; readonly command?: string | undefined },
): Finding {
  const { subject, found, expected, command } = said
  return {
    severity: asExpected ? 'good' : bad,
    ...(subject === undefined ? {} : { subject }),
    found,
    expected,
    ...(asExpected || command === undefined ? {} : { command }),
  }
}

/** A finding of something that could not be seen. */
export function unknown(why: string, expected: string, subject?: string): Finding {
  return { severity: 'unknown', ...(subject === undefined ? {} : { subject }), found: `not known: ${why}`, expected }
}

const KIB = 1_024
const SIZES = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const

/** Bytes for people, as in `1.5 GiB`. */
export function bytes(value: number): string {
  const power = Math.min(SIZES.length - 1, value < 1 ? 0 : Math.floor(Math.log2(value) / 10))
  const scaled = value / KIB ** power
  return `${scaled >= 100 || Number.isInteger(scaled) ? Math.round(scaled) : scaled.toFixed(1)} ${SIZES[power]}`
}

export const [MIB, GIB] = [KIB ** 2, KIB ** 3]
