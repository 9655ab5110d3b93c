import { runConsumer } from '../../connectors/kafka/consumer.ts'
import { openTopicLogs } from '../../connectors/kafka/topic-logs.ts'
import { createProcessRunner } from '../../connectors/postgres/process-runner.ts'
import { createRegistry } from '../../connectors/registry/registry.ts'
import { openSchemaDirectory } from '../../connectors/registry/schema-directory.ts'
import type { ConsumerName } from '../../processors/contract.ts'
import type { BusinessProcess } from '../../processors/process.ts'
import { deadTopic, valueSubject } from '../../processors/topics.ts'
import { claimPositions } from '../claims.ts'
import { breakerLimits } from '../config.ts'
import { serviceDeadLetters } from '../dead-letters.ts'
import { kafkaClient } from '../kafka.ts'
import { createKafkaOffsets } from '../kafka-offsets.ts'
import { type LookupsOptions, openLookups, type PreparedLookups, schemasOf } from '../lookups.ts'
import { counter, counterByReason, processMetrics } from '../metrics.ts'
import { createPartitionGuard } from '../partition-guard.ts'
import { createPositionChanges, createPositionCounters, positionMetrics } from '../position-changes.ts'
import { openDeadLetterCodec } from '../registered.ts'
import { schemaMetrics, schemaWatch } from '../schema-registry.ts'
import { openSending } from '../sending.ts'
import type { Service, ServiceContext } from '../service.ts'
import { createWaiting } from '../waiting.ts'
import { createProcessLoop, type ProcessCounters } from './loop.ts'

/**
 * What a business process says that it needs to look up; schemas are those of its own topic. Waits
 * for the registry, and for the app database.
 */
export async function openProcessLookups(
  { from, needs }: Pick<BusinessProcess<unknown>, 'from' | 'needs'>,
  options: Omit<LookupsOptions, 'needs'>,
): Promise<PreparedLookups> {
  const { config, log, signal, health } = options
  const others = needs.filter((name) => name !== 'schema')
  const lookups = others.length === 0 ? undefined : await openLookups({ ...options, needs: others })
  const subject = valueSubject(from.topic)
  const schemas = needs.includes('schema')
    ? await openSchemaDirectory({
        registry: createRegistry(config.env.REGISTRY_URL),
        prefix: subject,
        ownSubject: () => subject,
        log,
        signal,
        ...(health === undefined ? {} : schemaWatch(health)),
      })
    : undefined
  return {
    firmware: (id, fingerprint) => lookups?.firmware(id, fingerprint) ?? { tag: 'unknown' },
    assignments: (device) => lookups?.assignments(device),
    anchor: (device, boot) => lookups?.anchor(device, boot) ?? Number.NaN,
    schema: (id, fingerprint) => schemas?.schema(id, fingerprint),
    async prepare(records) {
      await schemas?.prepare(schemasOf(records))
      await lookups?.prepare(records)
    },
    ignored: () => (schemas?.ignored() ?? 0) + (lookups?.ignored() ?? 0),
    wrongIds: () => lookups?.wrongIds() ?? 0,
    async [Symbol.asyncDispose]() {
      await schemas?.[Symbol.asyncDispose]()
      await lookups?.[Symbol.asyncDispose]()
    },
  }
}

/** Starts a business process as a member of its consumer group. */
export function processService(name: string, businessProcess: BusinessProcess<unknown>): (context: ServiceContext) => Promise<Service> {
  return async (context) => {
    const { config, log, signal, metrics, health } = context
    const consumerName = name as ConsumerName
    const source = businessProcess.from.topic
    const waiting = createWaiting({ config, log, signal, health })
    const registry = createRegistry(config.env.REGISTRY_URL)
    const lookups = await waiting.during(
      'reading what is looked up',
      ['REGISTRY_URL', 'APP_DATABASE_URL'],
      openProcessLookups(businessProcess, { config, log, signal, health }),
    )
    const runner = createProcessRunner({ url: config.env.APP_DATABASE_URL, log })
    const kafka = kafkaClient(config, `millrace-${name}`, log)
    const part = `millrace_${name.replaceAll('-', '_')}`
    const sending = await openSending({ context, part, kafka, waiting, from: [source], to: [deadTopic(name)] })
    const { producer, limits } = sending
    const kept = { referenced: 0 }
    const counters: ProcessCounters = { records: 0, commits: 0, retries: 0, fenced: 0, rejected: new Map() }
    const consumed = { records: 0, rebalances: 0, stale: 0 }
    const logs = openTopicLogs(kafka)
    const changes = createPositionCounters()
    const noticed = createPositionChanges({ log, counters: changes, problem: (part, what) => health.set(part, what) })
    const told = createKafkaOffsets({ commit: (positions) => consumer.commit(positions), log })
    const loop = createProcessLoop({
      consumer: consumerName,
      businessProcess,
      runner,
      lookups,
      prepare: (records) => lookups.prepare(records),
      claim: (wanted) => claimPositions({ consumer: consumerName, offsets: runner, logs, noticed }, wanted),
      producer,
      guard: createPartitionGuard({
        limits: breakerLimits(config),
        log,
        stopped: (partition, why) => health.set(partition, why),
      }),
      deadLetters: serviceDeadLetters({
        config,
        processor: name,
        source,
        codec: await waiting.until('registering schemas', ['REGISTRY_URL'], () => openDeadLetterCodec(registry, deadTopic(name))),
        deadLetterBytes: limits.get(deadTopic(name)) ?? 0,
        counters: kept,
      }),
      log,
      signal,
      counters,
      committed: (positions) => told.tell(positions),
      reclaim: () => consumer.reclaim(),
      problem: (what) => health.set('database', what),
    })
    const running = runConsumer({
      kafka,
      group: consumerName,
      topics: [source],
      pace: 'patient',
      sessionTimeoutMs: config.kafka.session_timeout_ms,
      log,
      signal,
      counters: consumed,
      logs,
      noticed,
      problem: (what) => health.set('topics', what),
      claim: (wanted, generation) => loop.claim(wanted, generation),
      handle: (batch, generation) => loop.handle(batch, generation),
      revoked: () => {
        told.forget()
        loop.revoked()
      },
    })
    const consumer = await waiting.during('joining the consumer group', ['KAFKA_BROKERS'], running)
    const watch = waiting.watch(consumer, config.kafka.session_timeout_ms)

    processMetrics(metrics)
    schemaMetrics(metrics, part, lookups)
    counter(metrics, `${part}_records_total`, 'Records handled.', () => counters.records)
    counter(metrics, `${part}_commits_total`, 'Transactions.', () => counters.commits)
    counter(metrics, `${part}_commit_retries_total`, 'Commits that failed and were tried again.', () => counters.retries)
    counter(metrics, `${part}_fenced_total`, 'Commits refused because another owner had a partition.', () => counters.fenced)
    positionMetrics(metrics, part, changes)
    counter(metrics, `${part}_referenced_total`, 'Records refused of which a dead letter keeps only the offset.', () => kept.referenced)
    counterByReason(metrics, `${part}_rejected_total`, 'Dead letters.', () => counters.rejected)

    return {
      failed: Promise.race([consumer.failed, sending.failed]),
      stop: async () => {
        watch[Symbol.dispose]()
        await told[Symbol.asyncDispose]()
        await consumer[Symbol.asyncDispose]()
        await logs[Symbol.asyncDispose]()
        await sending[Symbol.asyncDispose]()
        await runner[Symbol.asyncDispose]()
        await lookups[Symbol.asyncDispose]()
      },
    }
  }
}
