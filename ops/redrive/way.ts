import type { Rejection } from '../../processors/contract.ts'
import type { FoundDeadLetter } from '../../processors/found-dead-letters.ts'

/** What a processor made of a dead letter that it saw again. */
export interface Attempt {
  /** Records that it emitted or handled, or rows that it wrote. */
  readonly outputs: number
  /** Why it left the dead letter, or parts of it, out on purpose; null if it did not. */
  readonly dropped: string | null
  /** What failed again. */
  readonly again: readonly Rejection[]
}

/** What an output is called, and what is done with it, as in `record` and `written`. */
export interface OutputName {
  readonly noun: string
  readonly verb: string
}

/** How dead letters get back to the processor that refused them, and only to that one. */
export interface RedriveWay extends AsyncDisposable {
  readonly output: OutputName
  /**
   * Runs the processor over dead letters of one partition, in order; an attempt for each. Resolves
   * once the outputs are where they always go: acknowledged by Kafka, or committed. What fails
   * again is only returned. Repeating it is harmless: outputs are keyed. Waits through outages.
   */
  attempt(deadLetters: readonly FoundDeadLetter[]): Promise<readonly Attempt[]>
  /** What `attempt` would return. Changes nothing. */
  dryRun(deadLetters: readonly FoundDeadLetter[]): Promise<readonly Attempt[]>
}
