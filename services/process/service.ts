import { createProcessRunner } from '../../connectors/postgres/process-runner.ts'
import { createRegistry } from '../../connectors/registry/registry.ts'
import { openSchemaDirectory } from '../../connectors/registry/schema-directory.ts'
import type { ConsumerName } from '../../processors/contract.ts'
import type { BusinessProcess } from '../../processors/process.ts'
import { deadTopic, valueSubject } from '../../processors/topics.ts'
import { claimPositions } from '../claims.ts'
import { breakerLimits } from '../config.ts'
import type { ConsumerParts, ConsumerService } from '../consumer-service.ts'
import type { OpenTask } from '../consumer-task.ts'
import { type LookupsOptions, openLookups, type PreparedLookups, schemasOf } from '../lookups.ts'
import { counter, counterByReason } from '../metrics.ts'
import { createPartitionGuard } from '../partition-guard.ts'
import { schemaMetrics, schemaWatch } from '../schema-registry.ts'
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

/** A business process as a member of its consumer group. */
export function processService(name: ConsumerName, businessProcess: BusinessProcess<unknown>): ConsumerService {
  return {
    name,
    reads: [businessProcess.from.topic],
    writes: [deadTopic(name)],
    pace: 'patient',
    open: (parts) => openProcess(name, businessProcess, parts),
  }
}

async function openProcess(consumer: ConsumerName, businessProcess: BusinessProcess<unknown>, parts: ConsumerParts): Promise<OpenTask> {
  const { context, part, waiting, logs, offsets, noticed } = parts
  const { config, log, signal, health } = context
  const lookups = await waiting.during(
    'reading what is looked up',
    ['REGISTRY_URL', 'APP_DATABASE_URL'],
    openProcessLookups(businessProcess, { config, log, signal, health }),
  )
  const runner = createProcessRunner({ url: config.env.APP_DATABASE_URL, log })
  const { producer, limits } = await parts.openSending()
  const counters: ProcessCounters = { records: 0, commits: 0, retries: 0, fenced: 0, rejected: new Map() }
  const task = createProcessLoop({
    consumer,
    businessProcess,
    runner,
    lookups,
    prepare: (records) => lookups.prepare(records),
    claim: (wanted) => claimPositions({ consumer, offsets: runner, logs, noticed }, wanted),
    producer,
    guard: createPartitionGuard({
      limits: breakerLimits(config),
      log,
      stopped: (partition, why) => health.set(partition, why),
    }),
    deadLetters: await parts.openDeadLetters(limits),
    log,
    signal,
    counters,
    committed: (positions) => offsets.tell(positions),
    reclaim: () => parts.consumer.reclaim(),
    problem: (what) => health.set('database', what),
  })
  return {
    task,
    measure(metrics) {
      schemaMetrics(metrics, part, lookups)
      counter(metrics, `${part}_records_total`, 'Records handled.', () => counters.records)
      counter(metrics, `${part}_commits_total`, 'Transactions.', () => counters.commits)
      counter(metrics, `${part}_commit_retries_total`, 'Commits that failed and were tried again.', () => counters.retries)
      counter(metrics, `${part}_fenced_total`, 'Commits refused because another owner had a partition.', () => counters.fenced)
      counterByReason(metrics, `${part}_rejected_total`, 'Dead letters.', () => counters.rejected)
    },
    async [Symbol.asyncDispose]() {
      await runner[Symbol.asyncDispose]()
      await lookups[Symbol.asyncDispose]()
    },
  }
}
