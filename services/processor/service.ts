import { runConsumer } from '../../connectors/kafka/consumer.ts'
import { openTopicLogs } from '../../connectors/kafka/topic-logs.ts'
import { createRegistry, type SchemaRegistry } from '../../connectors/registry/registry.ts'
import type { ConsumerName, RecordHeaders } from '../../processors/contract.ts'
import { deadTopic } from '../../processors/topics.ts'
import { breakerLimits } from '../config.ts'
import { serviceDeadLetters } from '../dead-letters.ts'
import { kafkaClient } from '../kafka.ts'
import { createKafkaOffsets } from '../kafka-offsets.ts'
import type { AnyProcessor } from '../loading.ts'
import { openLookups } from '../lookups.ts'
import { counter, counterByQuantity, counterByReason, gauge, processMetrics } from '../metrics.ts'
import { createPartitionGuard } from '../partition-guard.ts'
import { createPositionChanges, createPositionCounters, positionMetrics } from '../position-changes.ts'
import { openDeadLetterCodec, registeredId, schemaHeaders } from '../registered.ts'
import { schemaMetrics } from '../schema-registry.ts'
import { openSending } from '../sending.ts'
import type { Service, ServiceContext } from '../service.ts'
import { createWaiting } from '../waiting.ts'
import { createEngine, createEngineCounters } from './engine.ts'
import { createProcessorLoop } from './loop.ts'

/**
 * Offsets are committed at most this often: a crash repeats at most as much, and repeats are
 * identical.
 */
const COMMIT_INTERVAL_MS = 500

/**
 * Of a partition at a time: dense frames become readings of ten times their size, and all
 * partitions are fetched together.
 */
const FETCH_BYTES = 262_144

/** IDs of the schemas that a processor's outputs are written with. */
export async function outputSchemaIds(registry: SchemaRegistry, { to }: AnyProcessor): Promise<Readonly<Record<string, number>>> {
  const ids: Record<string, number> = {}
  for (const [output, { topic, schema }] of Object.entries(to)) ids[output] = await registeredId(registry, topic, schema)
  return ids
}

/**
 * Headers of each output's records: the fingerprint of its schema, as the bridge gives it to
 * frames.
 */
export function outputHeaders({ to }: AnyProcessor): Readonly<Record<string, RecordHeaders>> {
  return Object.fromEntries(Object.entries(to).map(([output, { schema }]) => [output, schemaHeaders(schema)]))
}

/** Starts one processor as a member of its consumer group. */
export function processorService(name: string, processor: AnyProcessor): (context: ServiceContext) => Promise<Service> {
  return async (context) => {
    const { config, log, signal, metrics, health } = context
    const registry = createRegistry(config.env.REGISTRY_URL)
    const waiting = createWaiting({ config, log, signal, health })
    const lookups = await waiting.during(
      'reading schemas and devices',
      ['REGISTRY_URL', 'APP_DATABASE_URL'],
      openLookups({ config, needs: processor.needs, log, signal, health }),
    )
    const kafka = kafkaClient(config, `millrace-${name}`, log)
    const outputs = Object.entries(processor.to)
    const written = [deadTopic(name), ...outputs.map(([, { topic }]) => topic)]
    const part = `millrace_${name.replaceAll('-', '_')}`
    const sending = await openSending({ context, part, kafka, waiting, from: [processor.from.topic], to: written })
    const { producer, limits, counters: sent } = sending
    const kept = { referenced: 0 }
    const schemaIds = await waiting.until('registering schemas', ['REGISTRY_URL'], () => outputSchemaIds(registry, processor))
    const counters = createEngineCounters()
    const engine = createEngine({
      name,
      processor,
      schemaIds,
      headers: outputHeaders(processor),
      limits,
      deadLetters: serviceDeadLetters({
        config,
        processor: name,
        source: processor.from.topic,
        codec: await waiting.until('registering schemas', ['REGISTRY_URL'], () => openDeadLetterCodec(registry, deadTopic(name))),
        deadLetterBytes: limits.get(deadTopic(name)) ?? 0,
        counters: kept,
      }),
    })
    const consumed = { records: 0, rebalances: 0, stale: 0 }
    const logs = openTopicLogs(kafka)
    const changes = createPositionCounters()

    const told = createKafkaOffsets({ commit: (positions) => consumer.commit(positions), log, everyMs: COMMIT_INTERVAL_MS })
    const loop = createProcessorLoop({
      engine,
      lookups,
      producer,
      log,
      counters,
      guard: createPartitionGuard({
        limits: breakerLimits(config),
        log,
        stopped: (partition, why) => health.set(partition, why),
      }),
      offsets: told,
      prepare: (records) =>
        waiting.during('looking up schemas and devices', ['REGISTRY_URL', 'APP_DATABASE_URL'], lookups.prepare(records)),
    })
    const running = runConsumer({
      kafka,
      group: name as ConsumerName,
      topics: [processor.from.topic],
      partitionBytes: FETCH_BYTES,
      sessionTimeoutMs: config.kafka.session_timeout_ms,
      log,
      signal,
      counters: consumed,
      logs,
      noticed: createPositionChanges({ log, counters: changes, problem: (place, what) => health.set(place, what) }),
      problem: (what) => health.set('topics', what),
      handle: (batch, generation) => loop.handle(batch, generation),
      revoked: () => loop.revoked(),
    })
    const consumer = await waiting.during('joining the consumer group', ['KAFKA_BROKERS'], running)
    const watch = waiting.watch(consumer, config.kafka.session_timeout_ms)

    processMetrics(metrics)
    schemaMetrics(metrics, part, lookups)
    counter(metrics, `${part}_wrong_schema_ids_total`, 'Records whose fingerprint says another schema than their ID.', () =>
      lookups.wrongIds(),
    )
    counter(metrics, `${part}_records_total`, 'Records processed.', () => counters.records)
    counter(metrics, `${part}_emitted_records_total`, 'Records emitted to the declared outputs.', () => counters.emitted)
    counter(metrics, `${part}_sent_bytes_total`, 'Bytes that Kafka acknowledged.', () => sent.bytes)
    counter(metrics, `${part}_send_retries_total`, 'Requests to Kafka that had to be sent again.', () => sent.retries)
    positionMetrics(metrics, part, changes)
    counterByReason(metrics, `${part}_dropped_records_total`, 'Inputs left out on purpose.', () => counters.dropped)
    counterByReason(metrics, `${part}_rejected_total`, 'Dead letters.', () => counters.rejected)
    counterByQuantity(
      metrics,
      `${part}_rejected_values_total`,
      'Values rejected of samples of which the other quantities went on.',
      () => counters.rejectedValues,
    )
    counter(metrics, `${part}_referenced_total`, 'Records refused of which a dead letter keeps only the offset.', () => kept.referenced)
    gauge(metrics, `${part}_rebalances`, 'Times that partitions were assigned.', () => consumed.rebalances)

    return {
      failed: Promise.race([consumer.failed, sending.failed]),
      stop: async () => {
        watch[Symbol.dispose]()
        await loop.drain()
        await told[Symbol.asyncDispose]()
        await consumer[Symbol.asyncDispose]()
        await logs[Symbol.asyncDispose]()
        await sending[Symbol.asyncDispose]()
        await lookups[Symbol.asyncDispose]()
      },
    }
  }
}
