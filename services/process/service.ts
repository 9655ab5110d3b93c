import { createProcessRunner } from '../../connectors/postgres/process-runner.ts'
import type { ConsumerName } from '../../processors/contract.ts'
import type { BusinessProcess } from '../../processors/process.ts'
import { deadTopic } from '../../processors/topics.ts'
import { claimPositions } from '../claims.ts'
import { breakerLimits } from '../config.ts'
import type { ConsumerParts, ConsumerService } from '../consumer-service.ts'
import type { OpenTask } from '../consumer-task.ts'
import { openLookups } from '../lookups.ts'
import { counter, counterByReason } from '../metrics.ts'
import { createPartitionGuard } from '../partition-guard.ts'
import { schemaMetrics } from '../schema-registry.ts'
import { createProcessLoop, type ProcessCounters } from './loop.ts'

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
    openLookups(businessProcess, { config, log, signal, health }),
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
