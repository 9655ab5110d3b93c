import type { RecordProducer } from '../../connectors/contract.ts'
import type { KafkaRecord, RecordHeaders, Topic } from '../../processors/contract.ts'
import type { DeadLetter, DeadLetterCodec } from '../../processors/dead-letter.ts'
import { createLetterWriter } from '../../processors/letter-writer.ts'
import type { FoundLetter } from '../../processors/letters.ts'
import { deadTopic } from '../../processors/topics.ts'
import type { AnyProcessor } from '../../services/loading.ts'
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
  /** When a letter's record counts as received. */
  readonly receipt: (letter: DeadLetter) => number
  readonly deadLetters: DeadLetterCodec
  readonly producer: RecordProducer
  readonly close: () => Promise<void>
}

/** The way for processors that the engine runs, such as standardise: with today's firmwares and devices, over the records of their letters. */
export function processorWay({
  name,
  processor,
  schemaIds,
  headers,
  limits,
  lookups,
  receipt,
  deadLetters,
  producer,
  close,
}: ProcessorWayOptions): RedriveWay {
  // What fails again is only read here: the run writes the letters, and bounds them.
  const letters = createLetterWriter({
    processor: name,
    version,
    deadLetters,
    letterBytes: Number.POSITIVE_INFINITY,
    headBytes: 0,
    counters: { referenced: 0 },
  })
  const engine = createEngine({ name, processor, schemaIds, headers, limits, letters })
  return createRecordsWay({
    dead: deadTopic(name),
    deadLetters,
    producer,
    prepare: (letters) => lookups.prepare(letters.map((found) => recordOf(found, receipt(found.letter)))),
    process: (found) => {
      const { source_topic, source_partition } = found.letter
      const counters = createEngineCounters()
      const origin = { topic: source_topic as Topic, partition: source_partition, nowMs: Date.now() }
      const { sent } = engine([recordOf(found, receipt(found.letter))], origin, lookups, counters)
      return { records: sent, dropped: counters.dropped.keys().next().value ?? null }
    },
    close,
  })
}

/** The record as the processor saw it first: the same bytes, key, headers and time, unless that was wrong, narrowed to the part that failed. */
export function recordOf({ letter, headers }: FoundLetter, receivedMs = letter.source_timestamp): KafkaRecord {
  const { key, value, source_offset, samples, quantities } = letter
  const record = { key, value, timestampMs: receivedMs, offset: BigInt(source_offset), headers }
  return samples.length + quantities.length === 0 ? record : { ...record, only: { samples, quantities } }
}
