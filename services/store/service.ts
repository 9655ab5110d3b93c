import { systemClock } from '../../connectors/clock.ts'
import type { Log } from '../../connectors/contract.ts'
import type { PostgresReadingsSink } from '../../connectors/postgres/readings-sink.ts'
import { store } from '../../processors/store/declaration.ts'
import { daysOfYears } from '../../processors/time-bounds.ts'
import { claimPositions } from '../claims.ts'
import { breakerLimits } from '../config.ts'
import type { ConsumerParts, ConsumerService } from '../consumer-service.ts'
import type { OpenTask } from '../consumer-task.ts'
import { HeldPartitions } from '../held-partitions.ts'
import { schemaWatch } from '../schema-registry.ts'
import { createStoreCounters, storeReadings } from './counters.ts'
import { StoreLoop } from './loop.ts'
import { configuredSink, openRecordLayouts } from './parts.ts'

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
  const opening = openRecordLayouts({ registry, log, signal, ...schemaWatch(health) })
  const layouts = await waiting.during('reading schemas', ['REGISTRY_URL'], opening)
  const sink = configuredSink(config, log)
  const { producer, limits } = await parts.openSending()
  const counters = createStoreCounters()
  const task = new StoreLoop({
    name: store.name,
    sink,
    claim: (wanted) => claimPositions({ consumer: store.name, offsets: sink, logs, noticed }, wanted),
    deadLetters: await parts.openDeadLetters(limits),
    producer,
    prepare: (records) => waiting.during('looking up schemas', ['REGISTRY_URL'], layouts.prepare(records)),
    layout: (record) => layouts.layout(record),
    batchRows: config.store.batch_rows,
    batchMs: config.store.batch_ms,
    oldestDays: daysOfYears(config.time.oldest_years),
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
      millrace_ignored_schemas: () => layouts.ignored(),
      millrace_stray_rows: () => upkeep.strays(),
    },
    async [Symbol.asyncDispose]() {
      upkeep[Symbol.dispose]()
      await sink[Symbol.asyncDispose]()
      await layouts[Symbol.asyncDispose]()
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
