import { systemClock } from '../../connectors/clock.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { createProcessRunner } from '../../connectors/postgres/process-runner.ts'
import type { DeclaredProcess } from '../../processors/declaration.ts'
import { claimPositions } from '../claims.ts'
import { breakerLimits } from '../config.ts'
import type { ConsumerParts, ConsumerService } from '../consumer-service.ts'
import type { OpenTask } from '../consumer-task.ts'
import { openLookups } from '../lookups.ts'
import { PartitionGuard } from '../partition-guard.ts'
import type { ProcessCounters } from './counters.ts'
import { ProcessLoop } from './loop.ts'
import { startOutboxSender } from './outbox-sender.ts'
import { headersByTopic, openOutputs } from './outputs.ts'
import { startRegular } from './regular.ts'
import { startWebhookSender } from './webhook-sender.ts'

/** A business process as a member of its consumer group. */
export function processService(declared: DeclaredProcess): ConsumerService {
  return { declared, open: (parts) => openProcess(declared, parts) }
}

async function openProcess({ name, businessProcess }: DeclaredProcess, parts: ConsumerParts): Promise<OpenTask> {
  const { context, waiting, registry, logs, stages, offsets, noticed } = parts
  const { config, log, signal, health } = context
  const lookups = await waiting.during(
    'reading what is looked up',
    ['REGISTRY_URL', 'APP_DATABASE_URL'],
    openLookups(businessProcess, { config, log, signal, health }),
  )
  const { producer, limits } = await parts.openSending()
  const outputs = await waiting.until('registering schemas', ['REGISTRY_URL'], () => openOutputs(registry, name, businessProcess, limits))
  const url = config.env.APP_DATABASE_URL
  const runner = createProcessRunner({ url, applicationName: `millrace ${name}`, log, outputs })
  const counters: ProcessCounters = { records: 0, commits: 0, retries: 0, fenced: 0, dropped: new Map(), rejected: new Map() }
  const sent = { sent: 0 }
  // What runs beside the task, and is closed before the databases that it uses.
  const beside: AsyncDisposable[] = []
  const own = { clock: systemClock, log }
  if (outputs.encoders.size > 0) {
    const database = createDatabase({ url, applicationName: `millrace ${name} outbox` })
    const headers = headersByTopic(businessProcess)
    beside.push(
      startOutboxSender({
        ...own,
        database,
        process: name,
        producer,
        headers,
        counters: sent,
        problem: (what) => health.set('outbox', what),
      }),
      database,
    )
  }
  const webhooks = { delivered: 0, retried: 0, failed: 0, expired: 0, removed: 0 }
  if (businessProcess.webhooks === true) {
    const database = createDatabase({ url, applicationName: `millrace ${name} webhooks` })
    beside.push(
      startWebhookSender({
        ...own,
        database,
        settings: config.webhooks,
        counters: webhooks,
        problem: (what) => health.set('webhooks', what),
        undelivered: (what) => health.set('webhook messages', what),
      }),
      database,
    )
  }
  if (businessProcess.regularly !== undefined)
    beside.push(
      startRegular({
        ...own,
        config,
        declared: { name, businessProcess },
        regularly: businessProcess.regularly,
        outputs,
        problem: (what) => health.set('regular work', what),
      }),
    )
  const task = new ProcessLoop({
    name,
    businessProcess,
    runner,
    lookups,
    prepare: (records) => lookups.prepare(records),
    claim: (wanted) => claimPositions({ consumer: name, offsets: runner, logs, noticed }, wanted),
    producer,
    guard: new PartitionGuard({
      limits: breakerLimits(config),
      clock: systemClock,
      log,
      stopped: (partition, why) => health.set(partition, why),
    }),
    deadLetters: await parts.openDeadLetters(limits),
    log,
    signal,
    counters,
    consumer: parts.consumer,
    stages,
    offsets,
    clock: systemClock,
    problem: (what) => health.set('database', what),
  })
  return {
    task,
    readings: {
      millrace_ignored_schemas: () => lookups.ignored(),
      millrace_records_total: () => counters.records,
      millrace_commits_total: () => counters.commits,
      millrace_commit_retries_total: () => counters.retries,
      millrace_fenced_commits_total: () => counters.fenced,
      millrace_rejected_total: () => counters.rejected,
      millrace_dropped_total: () => counters.dropped,
      millrace_outbox_sent_total: () => sent.sent,
      millrace_webhook_messages_total: () => Object.entries(webhooks),
    },
    async [Symbol.asyncDispose]() {
      for (const each of beside) await each[Symbol.asyncDispose]()
      await runner[Symbol.asyncDispose]()
      await lookups[Symbol.asyncDispose]()
    },
  }
}
