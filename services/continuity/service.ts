import { runConsumer } from '../../connectors/kafka/consumer.ts'
import { openTopicLogs } from '../../connectors/kafka/topic-logs.ts'
import { createContinuityStore } from '../../connectors/postgres/continuity-store.ts'
import { createKnownDevices } from '../../connectors/postgres/known-devices.ts'
import { type FirmwareDirectory, openFirmwareDirectory } from '../../connectors/registry/firmware-directory.ts'
import type { OpenDeadLetter } from '../../processors/continuity/intake.ts'
import { CONTINUITY, continuityTopics } from '../../processors/continuity/topics.ts'
import { createDeadLetterCodec } from '../../processors/dead-letter.ts'
import { readSchema } from '../../schemas/files.ts'
import { claimPositions } from '../claims.ts'
import { countPartitions, kafkaClient } from '../kafka.ts'
import { createKafkaOffsets } from '../kafka-offsets.ts'
import { counter, gauge, processMetrics } from '../metrics.ts'
import { createPositionChanges, createPositionCounters, positionMetrics } from '../position-changes.ts'
import { firmwareOptions, schemaMetrics, schemaWatch } from '../schema-registry.ts'
import type { Service, ServiceContext } from '../service.ts'
import { createWaiting } from '../waiting.ts'
import { type ContinuityCounters, createContinuityLoop } from './loop.ts'

/** Changes are written this often; the question reads what came since from Kafka. */
const FLUSH_MS = 5_000
const POLL_MS = 1_000

/**
 * Starts the ledger of frame numbers: readings and dead letters → ranges in the telemetry database,
 * effectively once.
 */
export async function continuityService({ config, log, signal, metrics, health }: ServiceContext): Promise<Service> {
  const kafka = kafkaClient(config, 'millrace-continuity', log)
  const waiting = createWaiting({ config, log, signal, health })
  // Says so where one does not exist.
  await waiting.until('asking Kafka for topics', ['KAFKA_BROKERS'], () => countPartitions(kafka, continuityTopics))
  const opening = openFirmwareDirectory({ ...firmwareOptions(config, log, signal), ...schemaWatch(health) })
  const firmwares = await waiting.during('reading schemas', ['REGISTRY_URL'], opening)
  // The ends of topics are asked for at every poll: a connection each time would cost more than all
  // else that it does.
  const logs = openTopicLogs(kafka)
  const store = createContinuityStore(config.env.TELEMETRY_DATABASE_URL)
  const devices = createKnownDevices(config.env.APP_DATABASE_URL, 'millrace continuity')
  const codec = createDeadLetterCodec(readSchema('dead-letter').json, 0)
  const counters: ContinuityCounters = {
    readings: 0,
    deadLetters: 0,
    unreadable: 0,
    implausible: 0,
    late: 0,
    loads: 0,
    commits: 0,
    retries: 0,
    fenced: 0,
  }
  const consumed = { records: 0, rebalances: 0, stale: 0 }
  const changes = createPositionCounters()
  const noticed = createPositionChanges({ log, counters: changes, problem: (part, what) => health.set(part, what) })
  const told = createKafkaOffsets({ commit: (positions) => consumer.commit(positions), log })

  const loop = createContinuityLoop({
    consumer: CONTINUITY,
    store,
    claim: (wanted) => claimPositions({ consumer: CONTINUITY, offsets: store, logs, noticed }, wanted),
    logs,
    prepare: (deadLetters) => waiting.during('asking the registry for schemas', ['REGISTRY_URL'], prepareSchemas(firmwares, deadLetters)),
    schemas: firmwares,
    devices,
    decode: (value) => codec.decode(value),
    flushMs: FLUSH_MS,
    pollMs: POLL_MS,
    log,
    signal,
    counters,
    committed: (positions) => told.tell(positions),
    pause: (partition) => consumer.pause(partition),
    resume: (partition) => consumer.resume(partition),
    reclaim: () => consumer.reclaim(),
    problem: (what) => health.set('database', what),
  })
  const joining = runConsumer({
    kafka,
    group: CONTINUITY,
    topics: continuityTopics,
    coPartitioned: true,
    pace: 'unhurried',
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
  const consumer = await waiting.during('joining the consumer group', ['KAFKA_BROKERS'], joining)
  const watch = waiting.watch(consumer, config.kafka.session_timeout_ms)

  processMetrics(metrics)
  schemaMetrics(metrics, 'millrace_continuity', firmwares)
  counter(metrics, 'millrace_continuity_records_total', 'Readings taken.', () => counters.readings)
  counter(metrics, 'millrace_continuity_letters_total', 'Dead letters taken.', () => counters.deadLetters)
  counter(metrics, 'millrace_continuity_unreadable_total', 'Records that are not what their topic holds.', () => counters.unreadable)
  counter(
    metrics,
    'millrace_continuity_implausible_total',
    'Frames whose number is too high for the time that has passed, or that say they follow more discarded samples than can be.',
    () => counters.implausible,
  )
  counter(
    metrics,
    'millrace_continuity_late_total',
    'Frames of boots that were folded, or of numbers that were settled.',
    () => counters.late,
  )
  counter(metrics, 'millrace_continuity_loads_total', 'Queries for boots that were not in memory.', () => counters.loads)
  counter(metrics, 'millrace_continuity_commits_total', 'Transactions.', () => counters.commits)
  counter(metrics, 'millrace_continuity_retries_total', 'Queries that failed and were tried again.', () => counters.retries)
  counter(metrics, 'millrace_continuity_fenced_total', 'Commits refused because another owner had a partition.', () => counters.fenced)
  positionMetrics(metrics, 'millrace_continuity', changes)
  gauge(metrics, 'millrace_continuity_boots', 'Boots in memory.', () => loop.boots())

  return {
    failed: consumer.failed,
    stop: async () => {
      watch[Symbol.dispose]()
      await loop.drain()
      await told[Symbol.asyncDispose]()
      await consumer[Symbol.asyncDispose]()
      await logs[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
      await devices[Symbol.asyncDispose]()
      await firmwares[Symbol.asyncDispose]()
    },
  }
}

/**
 * Makes the directory's answers definitive for the frames in these dead letters: by their
 * fingerprints, or schema IDs where there is none.
 */
export async function prepareSchemas(firmwares: FirmwareDirectory, deadLetters: readonly OpenDeadLetter[]): Promise<void> {
  const ids = new Set<number>()
  const fingerprints = new Set<string>()
  for (const { deadLetter, fingerprint } of deadLetters) {
    const { value, processor, reason } = deadLetter
    if (value === null || value.length < 5) continue
    if (value[0] === 0 && fingerprint !== undefined) fingerprints.add(fingerprint.toString('hex'))
    else if (value[0] === 0) ids.add(value.readUInt32BE(1))
    // The bridge has just asked the registry about a fingerprint that it calls unknown.
    else if (processor === 'bridge' && reason !== 'unknown-fingerprint' && value[0] === 0xc3 && value.length >= 10)
      fingerprints.add(value.toString('hex', 2, 10))
  }
  await firmwares.prepare({ ids, fingerprints })
}
