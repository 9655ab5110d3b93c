import { systemClock } from '../../connectors/clock.ts'
import type { Log } from '../../connectors/contract.ts'
import { createReadingsSink, type PostgresReadingsSink } from '../../connectors/postgres/readings-sink.ts'
import type { KnownSchemas } from '../../connectors/registry/known-schemas.ts'
import { openSchemaDirectory } from '../../connectors/registry/schema-directory.ts'
import type { KafkaRecord } from '../../processors/contract.ts'
import { fingerprintOf } from '../../processors/fingerprint-header.ts'
import { createFingerprintIndex } from '../../processors/fingerprint-index.ts'
import { store } from '../../processors/store/declaration.ts'
import { type LayoutLookup, layoutOf } from '../../processors/store/layouts.ts'
import { topics, valueSubject } from '../../processors/topics.ts'
import { readQuantities } from '../../schemas/files.ts'
import { hasWireHeader, schemaIdOf } from '../../schemas/wire-format.ts'
import { claimPositions } from '../claims.ts'
import { breakerLimits } from '../config.ts'
import type { ConsumerParts, ConsumerService } from '../consumer-service.ts'
import type { OpenTask } from '../consumer-task.ts'
import { HeldPartitions } from '../held-partitions.ts'
import { schemasOf } from '../lookups.ts'
import { schemaWatch } from '../schema-registry.ts'
import { createStoreCounters, storeReadings } from './counters.ts'
import { StoreLoop } from './loop.ts'

/** Partitions are created 7 days ahead. Once an hour is often enough, and finds stray rows soon. */
const UPKEEP_MS = 3_600_000

/** The store: readings → rows, effectively once. */
export const storeService: ConsumerService = {
  declared: store,
  open: openStore,
}

async function openStore(parts: ConsumerParts): Promise<OpenTask> {
  const { context, waiting, registry, logs, consumer, offsets, noticed } = parts
  const { config, log, signal, health } = context
  let layouts: (record: KafkaRecord) => LayoutLookup = () => ({ tag: 'unknown' })
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
  const { producer, limits } = await parts.openSending()
  const counters = createStoreCounters()
  const task = new StoreLoop({
    name: store.name,
    sink,
    claim: (wanted) => claimPositions({ consumer: store.name, offsets: sink, logs, noticed }, wanted),
    deadLetters: await parts.openDeadLetters(limits),
    producer,
    prepare: (records) => waiting.during('looking up schemas', ['REGISTRY_URL'], schemas.prepare(schemasOf(records))),
    layout: (record) => layouts(record),
    batchRows: config.store.batch_rows,
    batchMs: config.store.batch_ms,
    log,
    signal,
    counters,
    consumer,
    offsets,
    clock: systemClock,
    held: new HeldPartitions({
      limits: breakerLimits(config),
      clock: systemClock,
      log,
      stopped: (place, why) => health.set(place, why),
      reclaim: () => consumer.reclaim(),
    }),
    problem: (what) => health.set('database', what),
  })
  const upkeep = keepPartitionsReady(sink, log, (what) => health.set('partitions', what))
  return {
    task,
    readings: {
      ...storeReadings(counters),
      millrace_ignored_schemas: () => schemas.ignored(),
      millrace_stray_rows: () => upkeep.strays(),
    },
    async [Symbol.asyncDispose]() {
      upkeep[Symbol.dispose]()
      await sink[Symbol.asyncDispose]()
      await schemas[Symbol.asyncDispose]()
    },
  }
}

/** Makes room for the rows of the next days, now and each hour. */
function keepPartitionsReady(
  sink: PostgresReadingsSink,
  log: Log,
  problem: (what: string | null) => void,
): Disposable & { strays(): number } {
  /** Rows outside every partition. NaN until they are counted. */
  let strays = Number.NaN
  async function keepReady(): Promise<void> {
    try {
      strays = Number(await sink.keepReady(Date.now()))
      problem(
        strays > 0
          ? `${strays} rows lie in the default partition: \`millrace partitions\` lists them by day, \`millrace partitions drain\` gives them partitions`
          : null,
      )
    } catch (cause) {
      log.info('partitions were not prepared this time', { cause: String(cause) })
    }
  }
  void keepReady()
  const timer = setInterval(() => void keepReady(), UPKEEP_MS)
  return { strays: () => strays, [Symbol.dispose]: () => clearInterval(timer) }
}

/** The layout of each record of readings, by its fingerprint or by its schema ID. */
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
    if (!hasWireHeader(record.value)) return UNKNOWN
    const fingerprint = fingerprintOf(record)
    return (fingerprint === undefined ? byId.get(schemaIdOf(record.value)) : byFingerprint.find(fingerprint, 0)) ?? UNKNOWN
  }
}

const UNKNOWN: LayoutLookup = { tag: 'unknown' }
