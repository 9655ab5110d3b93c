import type { Log, RecordProducer } from '../../connectors/contract.ts'
import type { KafkaClient } from '../../connectors/kafka/client.ts'
import { scanTopic, topicExtents } from '../../connectors/kafka/scan.ts'
import { decodeSession, encodeSession, type RememberedSession } from '../../processors/bridge/session.ts'
import { topics } from '../../processors/topics.ts'
import type { SessionMemory } from './session-watch.ts'

export interface SessionMemoryOptions {
  readonly kafka: KafkaClient
  readonly producer: RecordProducer
  readonly clientId: string
  readonly log: Log
  readonly signal: AbortSignal
}

/**
 * Keeps the memory in Kafka, which is there whenever something was acknowledged: in a compacted
 * topic with a record for each client ID (docs/adr/0017-bridge-session.md).
 */
export function createSessionMemory({ kafka, producer, clientId, log, signal }: SessionMemoryOptions): SessionMemory {
  const key = Buffer.from(clientId)

  async function read(): Promise<RememberedSession | undefined> {
    let found: RememberedSession | undefined
    await scanTopic({
      kafka,
      topic: topics.bridgeSession,
      extents: await topicExtents(kafka, topics.bridgeSession),
      log,
      signal,
      handle: async ({ records }) => {
        for (const record of records) if (record.key?.equals(key) && record.value !== null) found = decodeSession(record.value) ?? found
      },
    })
    return found
  }

  return {
    before: read().catch((cause: unknown) => {
      if (!signal.aborted) log.warn('what the last bridge remembered of its session is not known', { cause: String(cause) })
      return undefined
    }),
    remember(session) {
      producer
        .send([{ topic: topics.bridgeSession, key, value: encodeSession(session), timestampMs: Date.now() }])
        .catch((cause: unknown) => log.warn('the session was not remembered', { cause: String(cause) }))
    },
  }
}
