import type { Clock } from '../../connectors/clock.ts'
import type { Log, RecordProducer } from '../../connectors/contract.ts'
import type { Database } from '../../connectors/postgres/database.ts'
import { endTurn, type OutboxRow, takeTurn } from '../../connectors/postgres/outbox.ts'
import type { RecordHeaders, Topic } from '../../processors/contract.ts'
import { repeated } from './repeated.ts'

export interface OutboxSenderOptions {
  /** Of the sender's own: its session holds the turn. */
  readonly database: Pick<Database, 'use'>
  /** Whose records. */
  readonly process: string
  readonly producer: Pick<RecordProducer, 'send'>
  readonly headers: ReadonlyMap<Topic, RecordHeaders>
  readonly counters: { sent: number }
  readonly clock: Clock
  readonly log: Log
  readonly problem: (what: string | null) => void
}

const EVERY_MS = 250
const MOST_ROWS = 500

/**
 * Sends what a process has put into the outbox, in order, and deletes what Kafka has acknowledged.
 * At least once: what was acknowledged and not yet deleted at a crash is sent again.
 */
export function startOutboxSender(options: OutboxSenderOptions): AsyncDisposable {
  const { database, process, producer, headers, counters, ...others } = options
  return repeated({
    ...others,
    doing: 'sending what the process put into the outbox',
    everyMs: EVERY_MS,
    async work() {
      const rows = await database.use((session) => takeTurn(session, process, MOST_ROWS))
      if (rows === undefined) return false
      // Not within `use`: if Kafka is away this waits, and a closed session gives the turn away.
      let sent: readonly OutboxRow[] = []
      try {
        if (rows.length > 0)
          await producer.send(
            rows.map(({ topic, key, value, createdMs }) => ({ topic, key, value, timestampMs: createdMs, headers: headers.get(topic) })),
          )
        sent = rows
      } finally {
        await database.use((session) => endTurn(session, process, sent))
      }
      counters.sent += rows.length
      return rows.length === MOST_ROWS
    },
  })
}
