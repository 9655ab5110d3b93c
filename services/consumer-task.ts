import type { Registry } from 'prom-client'
import type { ConsumerHandler } from '../connectors/kafka/consumer.ts'

/** What a service does with the records of its topics. */
export interface ConsumerTask extends ConsumerHandler {
  revoked(): void
  /** Commits, or sends, what it still has. Nothing is handled after that. */
  drain(): Promise<void>
}

/** A task with all that it needs. Disposing closes that, once the consumer is gone. */
export interface OpenTask extends AsyncDisposable {
  readonly task: ConsumerTask
  /** Registers the metrics that only this service has. */
  measure(metrics: Registry): void
}
