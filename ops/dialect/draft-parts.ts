/** One quantity of a rule. */
export interface DraftQuantity {
  readonly quantity: string
  /** YAML of its value: `{ path: "@.t", unit: mV }`. */
  readonly yaml: string
  /** What was seen. */
  readonly comment: string
}

export interface DraftRule {
  readonly each: string | undefined
  /** YAML of further keys, as in `channel: "{part}"`. */
  readonly keys: readonly string[]
  readonly quantities: readonly DraftQuantity[]
}

/** A time, as YAML in the list of `time`. */
export interface DraftTime {
  readonly yaml: string
  readonly comment: string
}

export interface DraftRules {
  readonly rules: readonly DraftRule[]
  readonly times: readonly DraftTime[]
  /** The device, if it is the messages that name it: YAML. */
  readonly device: string | undefined
  /** What was seen, and is in no rule. */
  readonly left: readonly string[]
}

/** Messages for rules: trees, and when each was received. */
export interface DraftMessages {
  readonly trees: readonly unknown[]
  readonly receivedMicros: readonly number[]
  /** The topic of each. */
  readonly topics: readonly string[]
}

/** There is nothing of which a dialect can be made. The message says why. */
export class NoDraftError extends Error {
  readonly code = 'NO_DRAFT'
  readonly transient = false
}
