import type { KafkaRecord, Topic } from '../../processors/contract.ts'
import { createDeadLetterWriter } from '../../processors/dead-letter-writer.ts'
import type { AnyProcessor } from '../../processors/declaration.ts'
import type { FoundDeadLetter } from '../../processors/found-dead-letters.ts'
import { deadTopic } from '../../processors/topics.ts'
import { openLookups } from '../../services/lookups.ts'
import { createEngine, createEngineCounters } from '../../services/processor/engine.ts'
import { outputHeaders, outputSchemaIds } from '../../services/processor/service.ts'
import { openDeadLetterCodec } from '../../services/registered.ts'
import { version } from '../../services/version.ts'
import { createRecordsWay, type Processed } from './records.ts'
import type { RedriveWay, WayParts } from './way.ts'

/**
 * The way for processors that the engine runs, such as standardise. It runs them over the records
 * of their dead letters, with today's firmwares and devices.
 */
export async function openProcessorWay(
  { config, name, receipt, registry, producer, limits, log, signal }: WayParts,
  processor: AnyProcessor,
): Promise<RedriveWay> {
  const lookups = await openLookups(processor, { config, log, signal })
  const codec = await openDeadLetterCodec(registry, deadTopic(name))
  const schemaIds = await outputSchemaIds(registry, processor)
  // Only reads what fails again. The run writes the dead letters, and bounds them.
  const deadLetters = createDeadLetterWriter({
    processor: name,
    version,
    codec,
    deadLetterBytes: Number.POSITIVE_INFINITY,
    headBytes: 0,
    counters: { referenced: 0 },
  })
  const engine = createEngine({ name, processor, schemaIds, headers: outputHeaders(processor), limits, deadLetters })
  const attempt = (found: FoundDeadLetter): Processed => {
    const { source_topic, source_partition } = found.deadLetter
    const counters = createEngineCounters()
    const origin = { topic: source_topic as Topic, partition: source_partition, nowMs: Date.now() }
    const { sent } = engine([recordOf(found, receipt(found.deadLetter))], origin, lookups, counters)
    return { records: sent, dropped: counters.dropped.keys().next().value ?? null }
  }
  return createRecordsWay({
    dead: deadTopic(name),
    codec,
    producer,
    async prepare(found) {
      await lookups.prepare(found.map((each) => recordOf(each, receipt(each.deadLetter))))
      // Which devices a message names, the processor finds out by a run whose result nobody takes.
      for (const each of found) attempt(each)
      const unsure = lookups.unsure()
      if (unsure.size > 0) await lookups.settle(unsure)
    },
    processRecord: attempt,
    close: async () => lookups[Symbol.asyncDispose](),
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
