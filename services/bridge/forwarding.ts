import type { BridgeCounters } from '../../processors/bridge/counters.ts'
import { bridge as declared } from '../../processors/bridge/declaration.ts'
import { createEstimatedTimes } from '../../processors/bridge/estimated-times.ts'
import type { ForwarderOptions } from '../../processors/bridge/forward.ts'
import type { Router } from '../../processors/bridge/routes.ts'
import { createStatusEncoder } from '../../processors/bridge/status.ts'
import { UnknownTopics } from '../../processors/bridge/unknown-topics.ts'
import type { Topic } from '../../processors/contract.ts'
import type { DeadLetterCodec } from '../../processors/dead-letter.ts'
import { deadTopic, topics } from '../../processors/topics.ts'
import { deviceStatusSchema } from '../../schemas/generated/device-status.ts'
import { rawSchema } from '../../schemas/generated/raw.ts'
import { RawWriter } from '../../schemas/raw-writer.ts'
import type { Config } from '../config.ts'
import { deadLetterLimits } from '../dead-letters.ts'
import { schemaHeaders } from '../registered.ts'
import { version } from '../version.ts'

/**
 * Every hop after the bridge carries the frame in one Kafka record. This is what Kafka takes by
 * default, less the record's own overhead.
 */
const LARGEST_FRAME_BYTES = 900_000

export interface ForwardingParts {
  readonly config: Config
  /**
   * Largest value of a record that each topic takes. An existing topic may take less than the
   * configuration says for new ones.
   */
  readonly limits: ReadonlyMap<Topic, number>
  readonly codec: DeadLetterCodec
  /** ID of schemas/device-status.avsc in the registry. */
  readonly statusSchemaId: number
  /** ID of schemas/raw.avsc in the registry. */
  readonly rawSchemaId: number
  readonly route: Router
  readonly counters: BridgeCounters
}

/** How the bridge forwards messages, also those of a redrive. */
export function forwarding({ config, limits, codec, statusSchemaId, rawSchemaId, route, counters }: ForwardingParts): ForwarderOptions {
  const frameBytes = Math.min(LARGEST_FRAME_BYTES, limits.get(topics.frames) ?? 0)
  return {
    route,
    status: createStatusEncoder(deviceStatusSchema.json, statusSchemaId),
    statusHeaders: schemaHeaders(deviceStatusSchema),
    codec,
    payloadBytes: Math.min(config.bridge.max_payload_bytes, frameBytes, limits.get(topics.deviceStatus) ?? 0),
    deadLetterBytes: limits.get(deadTopic(declared.name)) ?? 0,
    version,
    keptDeadLetters: deadLetterLimits(config),
    unknownTopics: new UnknownTopics(),
    keepUnknown: config.bridge.unknown_topics === 'dead-letter',
    raw: new RawWriter(rawSchemaId),
    rawHeaders: schemaHeaders(rawSchema),
    rawBytes: limits.get(topics.raw) ?? 0,
    receipts: createEstimatedTimes(),
    counters,
  }
}
