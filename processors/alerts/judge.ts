import type { AlertClosing, AlertKind } from './generated/alert.ts'

/** What samples are judged by. Times in microseconds. */
export interface Rule {
  readonly kind: Exclude<AlertKind, 'silence'>
  /** Of a threshold and a rate. */
  readonly direction: 'above' | 'below' | null
  readonly level: number
  readonly clearLevel: number
  /** How long a breach must last. */
  readonly forMicros: number
  /** Least distance of the samples that a rate is taken between. */
  readonly windowMicros: number
  /**
   * Of a night drop: when the night began that a time lies in, undefined for a time of day.
   * @param ts microseconds since 1970
   */
  readonly nightOf: ((ts: number) => number | undefined) | undefined
}

/** What a rule remembers of a device, or of one of its channels. */
export interface RuleState {
  /** Time of the last sample that was judged. */
  readonly at: number
  /** Since when the rule is breached; null if it is not. */
  readonly since: number | null
  /**
   * Of a rate, the sample that the next one is compared with. Of a night drop, when the night began
   * and its highest value.
   */
  readonly reference: { readonly at: number; readonly value: number } | null
}

/** What becomes of an alert. */
export type Change =
  | { readonly tag: 'opened'; readonly began: number; readonly at: number; readonly value: number }
  | { readonly tag: 'closed'; readonly at: number; readonly value: number | null; readonly because: AlertClosing }

export interface Judgement {
  readonly state: RuleState
  readonly change: Change | undefined
}

const MICROS_PER_HOUR = 3_600_000_000

/** What a sample gives to compare with the levels, and what is remembered of it. */
interface Measure {
  /** Undefined if this sample says nothing. */
  readonly value: number | undefined
  readonly reference: RuleState['reference']
  /** The night is over. */
  readonly over: boolean
}

/**
 * What a sample changes. A sample that is not later than the last one judged changes nothing:
 * neither a repeat nor a late one opens or closes an alert.
 * @param open whether there is an open alert
 * @param ts microseconds since 1970
 */
export function judge(rule: Rule, state: RuleState | undefined, open: boolean, ts: number, value: number): Judgement | undefined {
  if (state !== undefined && ts <= state.at) return undefined
  const { value: measured, reference, over } = measure(rule, state?.reference ?? null, ts, value)
  if (over) {
    const change: Change | undefined = open ? { tag: 'closed', at: ts, value: measured ?? null, because: 'night_over' } : undefined
    // A night may end and the next begin with one sample: that one is judged like any other.
    const next = measured === undefined ? null : sinceOf(rule, null, ts, measured)
    return { state: { at: ts, since: next, reference }, change }
  }
  if (measured === undefined) return { state: { at: ts, since: state?.since ?? null, reference }, change: undefined }
  if (open) {
    const change: Change | undefined = isClear(rule, measured) ? { tag: 'closed', at: ts, value: measured, because: 'cleared' } : undefined
    return { state: { at: ts, since: change === undefined ? (state?.since ?? null) : null, reference }, change }
  }
  const since = sinceOf(rule, state?.since ?? null, ts, measured)
  if (since === null || ts - since < rule.forMicros) return { state: { at: ts, since, reference }, change: undefined }
  return { state: { at: ts, since, reference }, change: { tag: 'opened', began: since, at: ts, value: measured } }
}

function sinceOf(rule: Rule, since: number | null, ts: number, measured: number): number | null {
  return isBreach(rule, measured) ? (since ?? ts) : null
}

function isBreach({ direction, level }: Rule, measured: number): boolean {
  return direction === 'below' ? measured < level : measured > level
}

function isClear({ direction, clearLevel }: Rule, measured: number): boolean {
  return direction === 'below' ? measured >= clearLevel : measured <= clearLevel
}

function measure(rule: Rule, reference: RuleState['reference'], ts: number, value: number): Measure {
  switch (rule.kind) {
    case 'threshold':
      return { value, reference: null, over: false }
    case 'rate': {
      if (reference === null) return { value: undefined, reference: { at: ts, value }, over: false }
      const span = ts - reference.at
      if (span < rule.windowMicros) return { value: undefined, reference, over: false }
      return { value: ((value - reference.value) / span) * MICROS_PER_HOUR, reference: { at: ts, value }, over: false }
    }
    case 'night_drop': {
      const night = rule.nightOf?.(ts)
      if (night === undefined) return { value: undefined, reference: null, over: true }
      const same = reference !== null && reference.at === night
      const highest = same ? Math.max(reference.value, value) : value
      return { value: highest - value, reference: { at: night, value: highest }, over: !same }
    }
  }
}
