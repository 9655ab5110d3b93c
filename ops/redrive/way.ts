import type { Log, RecordProducer } from '../../connectors/contract.ts'
import type { SchemaRegistry } from '../../connectors/registry/registry.ts'
import type { ConsumerName, Rejection, Topic } from '../../processors/contract.ts'
import type { DeadLetter } from '../../processors/dead-letter.ts'
import type { FoundDeadLetter } from '../../processors/found-dead-letters.ts'
import type { Config } from '../../services/config.ts'

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

/** What a way is opened with. */
export interface WayParts {
  readonly config: Config
  /** Service whose dead letters they are. */
  readonly name: string
  /**
   * A consumer name of this run's own. The database keeps its offsets of the dead letters apart,
   * with what it stored for them. The offsets of the service are not touched.
   */
  readonly consumer: ConsumerName
  /** ID of the topic of dead letters. */
  readonly topicId: string
  /** When a dead letter's record counts as received. */
  readonly receipt: (deadLetter: DeadLetter) => number
  readonly registry: SchemaRegistry
  readonly producer: RecordProducer
  /** Largest value of a record that each topic takes. */
  readonly limits: ReadonlyMap<Topic, number>
  readonly log: Log
  readonly signal: AbortSignal
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
