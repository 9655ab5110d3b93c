import { systemClock } from '../../connectors/clock.ts'
import { createContinuityStore } from '../../connectors/postgres/continuity-store.ts'
import { createKnownDevices } from '../../connectors/postgres/known-devices.ts'
import { type FirmwareDirectory, openFirmwareDirectory } from '../../connectors/registry/firmware-directory.ts'
import type { OpenDeadLetter } from '../../processors/continuity/intake.ts'
import { createDeadLetterCodec } from '../../processors/dead-letter.ts'
import type { DeclaredService } from '../../processors/declaration.ts'
import { readSchema } from '../../schemas/files.ts'
import { isSingleObject, singleObjectFingerprint } from '../../schemas/single-object.ts'
import { hasWireHeader, schemaIdOf } from '../../schemas/wire-format.ts'
import { claimPositions } from '../claims.ts'
import type { ConsumerParts, ConsumerService } from '../consumer-service.ts'
import type { OpenTask } from '../consumer-task.ts'
import { firmwareOptions, schemaWatch } from '../schema-registry.ts'
import { continuityReadings, createContinuityCounters } from './counters.ts'
import { ContinuityLoop } from './loop.ts'

/** Changes are written this often. `millrace continuity` reads what came since from Kafka. */
const FLUSH_MS = 5_000
const POLL_MS = 1_000

/**
 * The ledger of frame numbers: readings and dead letters → ranges in the telemetry database,
 * effectively once.
 */
export function continuityService(declared: DeclaredService): ConsumerService {
  return { declared, open: (parts) => openContinuity(declared, parts) }
}

async function openContinuity(
  { name, reads }: DeclaredService,
  { context, waiting, logs, consumer, stages, offsets, noticed }: ConsumerParts,
): Promise<OpenTask> {
  const { config, log, signal, health } = context
  const opening = openFirmwareDirectory({ ...firmwareOptions(config, log, signal), ...schemaWatch(health) })
  const firmwares = await waiting.during('reading schemas', ['REGISTRY_URL'], opening)
  const store = createContinuityStore(config.env.TELEMETRY_DATABASE_URL)
  const devices = createKnownDevices(config.env.APP_DATABASE_URL, 'millrace continuity')
  const codec = createDeadLetterCodec(readSchema('dead-letter').json, 0)
  const counters = createContinuityCounters()
  const task = new ContinuityLoop({
    name,
    reads,
    store,
    claim: (wanted) => claimPositions({ consumer: name, offsets: store, logs, noticed }, wanted),
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
    consumer,
    stages,
    offsets,
    clock: systemClock,
    problem: (what) => health.set('database', what),
  })
  return {
    task,
    readings: {
      ...continuityReadings(counters),
      millrace_ignored_schemas: () => firmwares.ignored(),
      millrace_boots: () => task.boots(),
    },
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]()
      await devices[Symbol.asyncDispose]()
      await firmwares[Symbol.asyncDispose]()
    },
  }
}

/**
 * Makes the schemas of the frames in these dead letters known, by fingerprint, or by schema ID if
 * there is none.
 */
export async function prepareSchemas(firmwares: FirmwareDirectory, deadLetters: readonly OpenDeadLetter[]): Promise<void> {
  const ids = new Set<number>()
  const fingerprints = new Set<string>()
  for (const { deadLetter, fingerprint } of deadLetters) {
    const { value, source_partition: partition, reason } = deadLetter
    if (value === null) continue
    // If the bridge calls a fingerprint unknown, it has just asked the registry about it.
    if (partition < 0 && reason !== 'unknown-fingerprint' && isSingleObject(value)) fingerprints.add(singleObjectFingerprint(value))
    if (!hasWireHeader(value)) continue
    if (fingerprint === undefined) ids.add(schemaIdOf(value))
    else fingerprints.add(fingerprint.toString('hex'))
  }
  await firmwares.prepare({ ids, fingerprints })
}
