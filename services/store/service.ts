import { join } from 'node:path'
import { systemClock } from '../../connectors/clock.ts'
import { openAdmin } from '../../connectors/kafka/client.ts'
import { findBackend } from '../../connectors/postgres/backend-choice.ts'
import { createDatabase, type Database } from '../../connectors/postgres/database.ts'
import { store } from '../../processors/store/declaration.ts'
import { daysOfYears } from '../../processors/time-bounds.ts'
import { projectRoot } from '../../schemas/files.ts'
import { claimPositions } from '../claims.ts'
import { archiveSettings, breakerLimits, type Config, partitionSettings } from '../config.ts'
import type { ConsumerParts, ConsumerService } from '../consumer-service.ts'
import type { OpenTask } from '../consumer-task.ts'
import { telemetryOwner } from '../database-users.ts'
import { HeldPartitions } from '../held-partitions.ts'
import { kafkaClient } from '../kafka.ts'
import { schemaWatch } from '../schema-registry.ts'
import { keepArchive } from './archive.ts'
import { isArchiveDue } from './archive-due.ts'
import { archiveReadings, careReadings, createStoreCounters, framesReadings, storeReadings } from './counters.ts'
import { type FramesArchive, keepFramesArchive } from './frames-archive.ts'
import { ARCHIVED_TOPICS, areFramesDue } from './frames-due.ts'
import { StoreLoop } from './loop.ts'
import type { OwnCommand } from './own-process.ts'
import { keepPartitions } from './partition-care.ts'
import { configuredSink, openRecordLayouts } from './parts.ts'
import { startRollups } from './rollups.ts'

/** The store: readings → rows, effectively once. */
export const storeService: ConsumerService = {
  declared: store,
  open: openStore,
}

async function openStore(parts: ConsumerParts): Promise<OpenTask> {
  const { context, waiting, registry, logs, consumer, stages, offsets, noticed } = parts
  const { config, log, signal, health } = context
  const opening = openRecordLayouts({ registry, log, signal, ...schemaWatch(health) })
  const layouts = await waiting.during('reading schemas', ['REGISTRY_URL'], opening)
  const sink = configuredSink(config, log)
  const { producer, limits } = await parts.openSending()
  const counters = createStoreCounters()
  const rollups = startRollups({ config, counters, clock: systemClock, log, problem: (what) => health.set('rollups', what) })
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
    stages,
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
  const database = createDatabase({ url: telemetryOwner(config), applicationName: 'millrace partition care' })
  const care = keepPartitions({
    database,
    backend: (session) => findBackend(session, config.store.backend),
    settings: partitionSettings(config),
    clock: systemClock,
    log,
    problem: (part, what) => health.set(part, what),
  })
  const settings = archiveSettings(config)
  const archive =
    settings === undefined
      ? undefined
      : keepArchive({
          due: () =>
            database.use(async (session) =>
              isArchiveDue({
                session,
                backend: await findBackend(session, config.store.backend),
                settings,
                nowMs: () => systemClock.nowMs(),
              }),
            ),
          command: ownCommand(config, 'partitions', 'archive'),
          clock: systemClock,
          log,
          problem: (what) => health.set('archive', what),
        })
  const frames = config.storage.archive_frames === undefined ? undefined : openFramesArchive(config, parts, database)
  return {
    task,
    readings: {
      ...storeReadings(counters),
      millrace_ignored_schemas: () => layouts.ignored(),
      ...careReadings(care),
      ...archiveReadings(archive),
      ...framesReadings(frames),
    },
    async [Symbol.asyncDispose]() {
      await frames?.[Symbol.asyncDispose]()
      await archive?.[Symbol.asyncDispose]()
      await care[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
      await sink[Symbol.asyncDispose]()
      await layouts[Symbol.asyncDispose]()
      await rollups[Symbol.asyncDispose]()
    },
  }
}

/** The job that keeps what devices sent for longer than Kafka. */
function openFramesArchive(config: Config, { context, logs }: ConsumerParts, database: Database): FramesArchive {
  const { log, health } = context
  const admin = openAdmin(kafkaClient(config, 'millrace-store-frames', log))
  const location = config.storage.archive_frames ?? ''
  const look = {
    logs,
    admin,
    topics: ARCHIVED_TOPICS,
    location,
    retentionDays: config.storage.archive_frames_retention_days,
    nowMs: () => systemClock.nowMs(),
  }
  const kept = keepFramesArchive({
    due: () => database.use((session) => areFramesDue({ ...look, session })),
    command: ownCommand(config, 'topics', 'archive'),
    clock: systemClock,
    log,
    problem: (what) => health.set('frames', what),
  })
  return {
    figures: () => kept.figures(),
    async [Symbol.asyncDispose]() {
      await kept[Symbol.asyncDispose]()
      await admin[Symbol.asyncDispose]()
    },
  }
}

/** A command that does its work in a process of its own. */
function ownCommand({ file }: Config, ...args: readonly string[]): OwnCommand {
  return [process.execPath, join(projectRoot, 'dist/bin/millrace.js'), ...args, '--json', '--config', file]
}
