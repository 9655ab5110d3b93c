import { systemClock } from '../../connectors/clock.ts'
import type { SchemaRegistry } from '../../connectors/registry/registry.ts'
import type { RecordHeaders } from '../../processors/contract.ts'
import type { AnyProcessor, DeclaredProcessor } from '../../processors/declaration.ts'
import { topics } from '../../processors/topics.ts'
import { breakerLimits } from '../config.ts'
import type { ConsumerParts, ConsumerService } from '../consumer-service.ts'
import type { OpenTask } from '../consumer-task.ts'
import { openLookups } from '../lookups.ts'
import { PartitionGuard } from '../partition-guard.ts'
import { describeLacked, lackedQuantities, registeredId, schemaHeaders } from '../registered.ts'
import { createEngine, createEngineCounters } from './engine.ts'
import { createProcessorLoop } from './loop.ts'

/**
 * Shortest time between two commits of offsets. A crash repeats what came in this time, and repeats
 * are identical.
 */
const COMMIT_INTERVAL_MS = 500

/** IDs of the schemas of a processor's outputs. */
export async function outputSchemaIds(registry: SchemaRegistry, { to }: AnyProcessor): Promise<Readonly<Record<string, number>>> {
  const ids: Record<string, number> = {}
  for (const [output, { topic, schema }] of Object.entries(to)) ids[output] = await registeredId(registry, topic, schema)
  return ids
}

/**
 * Headers of the records of each output: the fingerprint of its schema, as the bridge adds it to
 * frames.
 */
export function outputHeaders({ to }: AnyProcessor): Readonly<Record<string, RecordHeaders>> {
  return Object.fromEntries(Object.entries(to).map(([output, { schema }]) => [output, schemaHeaders(schema)]))
}

/** A processor as a member of its consumer group. */
export function processorService(declared: DeclaredProcessor): ConsumerService {
  return { declared, tellMs: COMMIT_INTERVAL_MS, open: (parts) => openProcessor(declared, parts) }
}

async function openProcessor({ name, processor }: DeclaredProcessor, parts: ConsumerParts): Promise<OpenTask> {
  const { context, waiting, registry, stages, offsets } = parts
  const { config, log, signal, health } = context
  const lookups = await waiting.during(
    'reading schemas and devices',
    ['REGISTRY_URL', 'APP_DATABASE_URL'],
    openLookups(processor, { config, log, signal, health }),
  )
  const { producer, limits } = await parts.openSending()
  if (Object.values(processor.to).some(({ topic }) => topic === topics.readings)) {
    const lacked = await waiting.until('looking at the schema of readings', ['REGISTRY_URL'], () => lackedQuantities(registry))
    if (lacked.length > 0) log.warn(describeLacked(lacked))
  }
  const counters = createEngineCounters()
  const engine = createEngine({
    name,
    processor,
    schemaIds: await waiting.until('registering schemas', ['REGISTRY_URL'], () => outputSchemaIds(registry, processor)),
    headers: outputHeaders(processor),
    limits,
    deadLetters: await parts.openDeadLetters(limits),
  })
  const task = createProcessorLoop({
    engine,
    lookups,
    producer,
    log,
    counters,
    guard: new PartitionGuard({
      limits: breakerLimits(config),
      clock: systemClock,
      log,
      stopped: (partition, why) => health.set(partition, why),
    }),
    offsets,
    stages,
    prepare: (records) => waiting.during('looking up schemas and devices', ['REGISTRY_URL', 'APP_DATABASE_URL'], lookups.prepare(records)),
    unsure: {
      take: () => lookups.unsure(),
      settle: (devices) => waiting.during('looking up devices', ['APP_DATABASE_URL'], lookups.settle(devices)),
    },
  })
  return {
    task,
    readings: {
      millrace_dialect_version: () => lookups.dialects().map(({ name, version }) => [name, version]),
      millrace_ignored_schemas: () => lookups.ignored(),
      millrace_wrong_schema_ids_total: () => lookups.wrongIds(),
      millrace_records_total: () => counters.records,
      millrace_emitted_records_total: () => counters.emitted,
      millrace_dropped_total: () => counters.dropped,
      millrace_rejected_total: () => counters.rejected,
      millrace_rejected_values_total: () => counters.rejectedValues,
    },
    [Symbol.asyncDispose]: () => lookups[Symbol.asyncDispose](),
  }
}
