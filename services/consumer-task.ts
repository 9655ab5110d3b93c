import type { ConsumerHandler } from '../connectors/kafka/consumer.ts'
import type { MetricReadings } from './metrics.ts'

/** What a service does with the records of its topics. */
export interface ConsumerTask extends ConsumerHandler {
  revoked(): void
  /** Commits, or sends, what it still has. Nothing is handled after that. */
  drain(): Promise<void>
}

/** A task with all that it needs. Disposing closes that, once the consumer is gone. */
export interface OpenTask extends AsyncDisposable {
  readonly task: ConsumerTask
  /** Of its metrics, those that not every consumer has. */
  readonly readings: MetricReadings
}
