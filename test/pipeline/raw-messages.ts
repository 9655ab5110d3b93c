import { createRegistry } from '../../connectors/registry/registry.ts'
import { avroOutput } from '../../processors/avro.ts'
import type { OutgoingRecord } from '../../processors/contract.ts'
import { topics } from '../../processors/topics.ts'
import { rawSchema } from '../../schemas/generated/raw.ts'
import { registeredId, schemaHeaders } from '../../services/registered.ts'
import { produce } from './frames.ts'
import { address } from './stack-clients.ts'

/** A message as the bridge would have put it on telemetry.raw. */
export interface RawTestMessage {
  /** Identity in the topic. */
  readonly key: string
  readonly topic: string
  /** Anything but text or bytes is sent as JSON. */
  readonly payload: unknown
  /** Default: now. */
  readonly receivedMs?: number
}

/** Sends messages to Kafka, past MQTT and the bridge. */
export async function produceRaw(messages: readonly RawTestMessage[]): Promise<void> {
  const schemaId = await registeredId(createRegistry(address('REGISTRY_URL')), topics.raw, rawSchema)
  const encode = avroOutput(topics.raw, rawSchema).encoder(schemaId, Number.POSITIVE_INFINITY)
  const headers = schemaHeaders(rawSchema)
  await produce(
    messages.map(({ key, topic, payload, receivedMs = Date.now() }): OutgoingRecord => {
      const bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload))
      const value = encode({ topic, payload: bytes, received: receivedMs * 1000, retained: false }) as Buffer
      return { topic: topics.raw, key: Buffer.from(key), value, timestampMs: receivedMs, headers }
    }),
  )
}
