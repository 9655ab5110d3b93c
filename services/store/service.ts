import { runConsumer } from '../../connectors/kafka/consumer.ts'
import { openTopicLogs } from '../../connectors/kafka/topic-logs.ts'
import { createReadingsSink } from '../../connectors/postgres/readings-sink.ts'
import type { KnownSchemas } from '../../connectors/registry/known-schemas.ts'
import { createRegistry } from '../../connectors/registry/registry.ts'
import { openSchemaDirectory } from '../../connectors/registry/schema-directory.ts'
import type { ConsumerName, KafkaRecord } from '../../processors/contract.ts'
import { fingerprintOf } from '../../processors/fingerprint-header.ts'
import { createFingerprintIndex } from '../../processors/fingerprint-index.ts'
import { type LayoutLookup, layoutOf } from '../../processors/store/layouts.ts'
import { deadTopic, topics, valueSubject } from '../../processors/topics.ts'
import { readQuantities } from '../../schemas/files.ts'
import { claimPositions } from '../claims.ts'
import { breakerLimits } from '../config.ts'
import { serviceDeadLetters } from '../dead-letters.ts'
import { createHeldPartitions } from '../held-partitions.ts'
import { kafkaClient } from '../kafka.ts'
import { createKafkaOffsets } from '../kafka-offsets.ts'
import { schemasOf } from '../lookups.ts'
import { counter, counterByReason, gauge, processMetrics } from '../metrics.ts'
import { createPositionChanges, createPositionCounters, positionMetrics } from '../position-changes.ts'
import { openDeadLetterCodec } from '../registered.ts'
import { schemaMetrics, schemaWatch } from '../schema-registry.ts'
import { openSending } from '../sending.ts'
import type { Service, ServiceContext } from '../service.ts'
import { createWaiting } from '../waiting.ts'
import type { StoreCounters } from './counters.ts'
import { createStoreLoop } from './loop.ts'

const STORE = 'store' as ConsumerName
/**
 * The next 7 days' partitions are made ahead; once an hour is often enough, and finds stray rows
 * soon.
 */
const UPKEEP_MS = 3_600_000

/** Starts the store: readings → rows, effectively once. */
export async function storeService(context: ServiceContext): Promise<Service> {
  const { config, log, signal, metrics, health } = context
  const kafka = kafkaClient(config, 'millrace-store', log)
  const registry = createRegistry(config.env.REGISTRY_URL)
  let layouts: (record: KafkaRecord) => LayoutLookup = () => ({ tag: 'unknown' })
  const waiting = createWaiting({ config, log, signal, health })
  const opening = openSchemaDirectory({
    registry,
    prefix: valueSubject(topics.readings),
    ownSubject: () => valueSubject(topics.readings),
    log,
    signal,
    ...schemaWatch(health),
    changed: (known) => {
      layouts = layoutsOf(known)
    },
  })
  const schemas = await waiting.during('reading schemas', ['REGISTRY_URL'], opening)
  const sink = createReadingsSink({
    url: config.env.TELEMETRY_DATABASE_URL,
    backend: config.store.backend,
    conflicts: config.store.conflicts,
    quantities: readQuantities(),
    log,
  })
  const sending = await openSending({ context, part: 'millrace_store', kafka, waiting, from: [topics.readings], to: [deadTopic(STORE)] })
  const { producer, limits } = sending
  const kept = { referenced: 0 }
  const counters: StoreCounters = {
    records: 0,
    inserted: 0,
    readings: 0,
    merged: 0,
    repeated: 0,
    conflicts: 0,
    commits: 0,
    retries: 0,
    fenced: 0,
    rejected: new Map(),
  }
  const consumed = { records: 0, rebalances: 0, stale: 0 }
  const logs = openTopicLogs(kafka)
  const changes = createPositionCounters()
  const noticed = createPositionChanges({ log, counters: changes, problem: (part, what) => health.set(part, what) })
  const told = createKafkaOffsets({ commit: (positions) => consumer.commit(positions), log })

  const loop = createStoreLoop({
    consumer: STORE,
    sink,
    claim: (wanted) => claimPositions({ consumer: STORE, offsets: sink, logs, noticed }, wanted),
    deadLetters: serviceDeadLetters({
      config,
      processor: STORE,
      source: topics.readings,
      codec: await waiting.until('registering schemas', ['REGISTRY_URL'], () => openDeadLetterCodec(registry, deadTopic(STORE))),
      deadLetterBytes: limits.get(deadTopic(STORE)) ?? 0,
      counters: kept,
    }),
    producer,
    prepare: (records) => waiting.during('looking up schemas', ['REGISTRY_URL'], schemas.prepare(schemasOf(records))),
    layout: (record) => layouts(record),
    batchRows: config.store.batch_rows,
    batchMs: config.store.batch_ms,
    log,
    signal,
    counters,
    committed: (positions) => told.tell(positions),
    reclaim: () => consumer.reclaim(),
    held: createHeldPartitions({
      limits: breakerLimits(config),
      log,
      stopped: (place, why) => health.set(place, why),
      reclaim: () => consumer.reclaim(),
    }),
    problem: (what) => health.set('database', what),
  })
  const running = runConsumer({
    kafka,
    group: STORE,
    topics: [topics.readings],
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

  /** Rows outside every partition; not a number until they were counted. */
  let strays = Number.NaN
  async function keepReady(): Promise<void> {
    try {
      strays = Number(await sink.keepReady(Date.now()))
      health.set(
        'partitions',
        strays > 0
          ? `${strays} rows lie in the default partition: \`millrace partitions\` lists them by day, \`millrace partitions drain\` gives them partitions`
          : null,
      )
    } catch (cause) {
      log.info('partitions were not prepared this time', { cause: String(cause) })
    }
  }
  void keepReady()
  const upkeep = setInterval(() => void keepReady(), UPKEEP_MS)

  processMetrics(metrics)
  schemaMetrics(metrics, 'millrace_store', schemas)
  counter(metrics, 'millrace_store_records_total', 'Records read.', () => counters.records)
  counter(metrics, 'millrace_store_inserted_rows_total', 'Rows committed that were new.', () => counters.inserted)
  counter(
    metrics,
    'millrace_store_readings_total',
    'Values of quantities in the rows committed, repeats included.',
    () => counters.readings,
  )
  counter(
    metrics,
    'millrace_store_merged_rows_total',
    'Rows that added something to the row of their device and time.',
    () => counters.merged,
  )
  counter(metrics, 'millrace_store_repeated_rows_total', 'Rows that had nothing new.', () => counters.repeated)
  counter(
    metrics,
    'millrace_store_conflict_rows_total',
    'Rows that had another value than the row of their device and time.',
    () => counters.conflicts,
  )
  counter(metrics, 'millrace_store_commits_total', 'Transactions.', () => counters.commits)
  counter(metrics, 'millrace_store_commit_retries_total', 'Commits that failed and were tried again.', () => counters.retries)
  counter(metrics, 'millrace_store_fenced_total', 'Commits refused because another owner had a partition.', () => counters.fenced)
  positionMetrics(metrics, 'millrace_store', changes)
  gauge(metrics, 'millrace_store_stray_rows', 'Rows in the default partition, where there is one.', () => strays)
  counter(
    metrics,
    'millrace_store_referenced_total',
    'Records refused of which a dead letter keeps only the offset.',
    () => kept.referenced,
  )
  counterByReason(metrics, 'millrace_store_rejected_total', 'Dead letters.', () => counters.rejected)

  return {
    failed: Promise.race([consumer.failed, sending.failed]),
    stop: async () => {
      watch[Symbol.dispose]()
      clearInterval(upkeep)
      await loop.drain()
      await told[Symbol.asyncDispose]()
      await consumer[Symbol.asyncDispose]()
      await logs[Symbol.asyncDispose]()
      await sending[Symbol.asyncDispose]()
      await sink[Symbol.asyncDispose]()
      await schemas[Symbol.asyncDispose]()
    },
  }
}

/**
 * The layout of each record of readings: by the fingerprint that it came with, or by its schema ID.
 */
export function layoutsOf(known: KnownSchemas): (record: KafkaRecord) => LayoutLookup {
  const made = new Map([...known.fingerprints()].map(([hex, { json }]) => [hex, layoutOf(json)]))
  const byFingerprint = createFingerprintIndex(made)
  const byId = new Map<number, LayoutLookup>()
  for (const { id } of known.all()) {
    const found = known.withId(id)
    if (found.tag === 'known') byId.set(id, made.get(found.entry.fingerprint) ?? UNKNOWN)
    else byId.set(id, { tag: 'invalid', detail: `the registry has given the ID ${id} to schemas of different fields` })
  }
  return (record) => {
    if (record.value === null || record.value.length < WIRE_BYTES) return UNKNOWN
    const fingerprint = fingerprintOf(record)
    return (fingerprint === undefined ? byId.get(record.value.readUInt32BE(1)) : byFingerprint.find(fingerprint, 0)) ?? UNKNOWN
  }
}

const UNKNOWN: LayoutLookup = { tag: 'unknown' }
/** Magic byte and schema ID. */
const WIRE_BYTES = 5
