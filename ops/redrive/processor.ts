import type { RecordProducer } from '../../connectors/contract.ts'
import type { KafkaRecord, RecordHeaders, Topic } from '../../processors/contract.ts'
import type { DeadLetter, DeadLetterCodec } from '../../processors/dead-letter.ts'
import { createDeadLetterWriter } from '../../processors/dead-letter-writer.ts'
import type { AnyProcessor } from '../../processors/declaration.ts'
import type { FoundDeadLetter } from '../../processors/found-dead-letters.ts'
import { deadTopic } from '../../processors/topics.ts'
import type { PreparedLookups } from '../../services/lookups.ts'
import { createEngine, createEngineCounters } from '../../services/processor/engine.ts'
import { version } from '../../services/version.ts'
import { createRecordsWay } from './records.ts'
import type { RedriveWay } from './way.ts'

export interface ProcessorWayOptions {
  readonly name: string
  readonly processor: AnyProcessor
  readonly schemaIds: Readonly<Record<string, number>>
  readonly headers: Readonly<Record<string, RecordHeaders>>
  readonly limits: ReadonlyMap<Topic, number>
  readonly lookups: PreparedLookups
  /** When a dead letter's record counts as received. */
  readonly receipt: (deadLetter: DeadLetter) => number
  readonly codec: DeadLetterCodec
  readonly producer: RecordProducer
  readonly close: () => Promise<void>
}

/**
 * The way for processors that the engine runs, such as standardise. It runs them over the records
 * of their dead letters, with today's firmwares and devices.
 */
export function processorWay({
  name,
  processor,
  schemaIds,
  headers,
  limits,
  lookups,
  receipt,
  codec,
  producer,
  close,
}: ProcessorWayOptions): RedriveWay {
  // Only reads what fails again. The run writes the dead letters, and bounds them.
  const deadLetters = createDeadLetterWriter({
    processor: name,
    version,
    codec,
    deadLetterBytes: Number.POSITIVE_INFINITY,
    headBytes: 0,
    counters: { referenced: 0 },
  })
  const engine = createEngine({ name, processor, schemaIds, headers, limits, deadLetters })
  return createRecordsWay({
    dead: deadTopic(name),
    codec,
    producer,
    prepare: (deadLetters) => lookups.prepare(deadLetters.map((found) => recordOf(found, receipt(found.deadLetter)))),
    processRecord: (found) => {
      const { source_topic, source_partition } = found.deadLetter
      const counters = createEngineCounters()
      const origin = { topic: source_topic as Topic, partition: source_partition, nowMs: Date.now() }
      const { sent } = engine([recordOf(found, receipt(found.deadLetter))], origin, lookups, counters)
      return { records: sent, dropped: counters.dropped.keys().next().value ?? null }
    },
    close,
  })
}

/**
 * The record as the processor first saw it, narrowed to the part that failed: the same bytes, key,
 * headers and time (unless the time was wrong).
 */
export function recordOf({ deadLetter, headers }: FoundDeadLetter, receivedMs = deadLetter.source_timestamp): KafkaRecord {
  const { key, value, source_offset, samples, quantities } = deadLetter
  const record = { key, value, timestampMs: receivedMs, offset: BigInt(source_offset), headers }
  return samples.length + quantities.length === 0 ? record : { ...record, only: { samples, quantities } }
}
