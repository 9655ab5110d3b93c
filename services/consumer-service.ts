import { systemClock } from '../connectors/clock.ts'
import type { KafkaLogs, PositionChange } from '../connectors/contract.ts'
import { type ConsumerControls, type ConsumerHandler, GroupConsumer } from '../connectors/kafka/consumer.ts'
import { openTopicLogs } from '../connectors/kafka/topic-logs.ts'
import { createRegistry, type SchemaRegistry } from '../connectors/registry/registry.ts'
import type { Topic } from '../processors/contract.ts'
import type { DeadLetterWriter } from '../processors/dead-letter-writer.ts'
import type { DeclaredService } from '../processors/declaration.ts'
import { deadTopic } from '../processors/topics.ts'
import type { ConsumerTask, OpenTask } from './consumer-task.ts'
import { serviceDeadLetters } from './dead-letters.ts'
import { checkCompression, countPartitions, kafkaClient } from './kafka.ts'
import { createKafkaOffsets, type KafkaOffsets } from './kafka-offsets.ts'
import { fromZero, reportMetrics } from './metrics.ts'
import { createPositionChanges, PositionCounters, positionReadings } from './position-changes.ts'
import { engineReasons } from './processor/engine.ts'
import { openDeadLetterCodec } from './registered.ts'
import { openSending, type Sending } from './sending.ts'
import type { Service, ServiceContext } from './service.ts'
import { StageClock } from './stage-clock.ts'
import { createWaiting, type Waiting } from './waiting.ts'

/** A service that reads topics as a member of the consumer group that has its name. */
export interface ConsumerService {
  /** It reads at least one topic. Its dead letters are about records of the first. */
  readonly declared: DeclaredService
  /** Shortest time between two commits of offsets to Kafka. */
  readonly tellMs?: number
  /** Opens what handles the records. The consumer joins its group afterwards. */
  readonly open: (parts: ConsumerParts) => Promise<OpenTask>
}

/** What a task is made with. All of it is closed after the task. */
export interface ConsumerParts {
  readonly context: ServiceContext
  readonly waiting: Waiting
  readonly registry: SchemaRegistry
  readonly logs: KafkaLogs
  readonly consumer: ConsumerControls
  /** Told what the task is doing. */
  readonly stages: StageClock
  /**
   * Offsets to commit to Kafka: soon, and repeated until Kafka has them. They are forgotten when
   * the partitions are taken away.
   */
  readonly offsets: Pick<KafkaOffsets, 'tell'>
  /** Logs, counts and reports to health what Kafka no longer has. */
  readonly noticed: (change: PositionChange) => void
  /** Opens the producer for the topics that the service writes. Waits for Kafka. Call it once. */
  openSending(): Promise<Sending>
  /** Opens what makes dead letters for the service's own topic. Waits for the registry. */
  openDeadLetters(limits: Sending['limits']): Promise<DeadLetterWriter>
}

/** Starts the service: opens the task, waits for its topics, joins the group. */
export async function startConsumer(service: ConsumerService, context: ServiceContext): Promise<Service> {
  const { declared, tellMs, open } = service
  const { name, reads, reasons, fetching } = declared
  const { config, log, signal, metrics, health } = context
  const waiting = createWaiting({ config, log, signal, health })
  const kafka = kafkaClient(config, `millrace-${name}`, log)
  const logs = openTopicLogs(kafka)
  const changes = new PositionCounters()
  const noticed = createPositionChanges({ log, counters: changes, problem: (place, what) => health.set(place, what) })
  const counters = { rebalances: 0 }
  const sessionTimeoutMs = config.kafka.session_timeout_ms
  const consumer = new GroupConsumer({
    ...fetching,
    kafka,
    group: name,
    topics: reads,
    sessionTimeoutMs,
    log,
    signal,
    counters,
    logs,
    noticed,
    problem: (what) => health.set('topics', what),
  })
  const offsets = createKafkaOffsets({
    commit: (positions) => consumer.commit(positions),
    log,
    ...(tellMs === undefined ? {} : { everyMs: tellMs }),
  })
  const registry = createRegistry(config.env.REGISTRY_URL)
  const stages = new StageClock(systemClock)
  const kept = { referenced: 0 }
  const sendings: Sending[] = []
  const opened = await open({
    context,
    waiting,
    registry,
    logs,
    consumer,
    stages,
    offsets,
    noticed,
    async openSending() {
      const sending = await openSending({ context, declared, kafka, waiting })
      sendings.push(sending)
      return sending
    },
    openDeadLetters: async (largest) =>
      serviceDeadLetters({
        config,
        processor: name,
        source: reads[0] as Topic,
        codec: await waiting.until('registering schemas', ['REGISTRY_URL'], () => openDeadLetterCodec(registry, deadTopic(name))),
        deadLetterBytes: largest.get(deadTopic(name)) ?? 0,
        counters: kept,
      }),
  })
  const { task } = opened
  await waiting.until('asking Kafka for topics', ['KAFKA_BROKERS'], () => countPartitions(kafka, reads))
  await waiting.until('asking Kafka for topics', ['KAFKA_BROKERS'], () => checkCompression(kafka, reads))
  await waiting.during('joining the consumer group', ['KAFKA_BROKERS'], consumer.run(handlerOf(task, offsets)))
  const watch = waiting.watch(consumer, sessionTimeoutMs)

  const rejected = opened.readings.millrace_rejected_total
  reportMetrics(metrics, {
    millrace_rebalances_total: () => counters.rebalances,
    millrace_stage_seconds_total: () => stages.seconds(),
    ...positionReadings(changes),
    ...opened.readings,
    ...(rejected === undefined
      ? {}
      : { millrace_rejected_total: () => fromZero(Object.keys({ ...engineReasons, ...reasons }), rejected()) }),
  })
  if (reasons !== undefined) reportMetrics(metrics, { millrace_referenced_records_total: () => kept.referenced })

  return {
    failed: Promise.race([consumer.failed, ...sendings.map((sending) => sending.failed)]),
    stop: async () => {
      watch[Symbol.dispose]()
      await task.drain()
      await offsets[Symbol.asyncDispose]()
      await consumer[Symbol.asyncDispose]()
      await logs[Symbol.asyncDispose]()
      for (const sending of sendings) await sending[Symbol.asyncDispose]()
      await opened[Symbol.asyncDispose]()
    },
  }
}

/** The task as a handler. If its partitions are taken away, their offsets are forgotten too. */
export function handlerOf(task: ConsumerTask, offsets: Pick<KafkaOffsets, 'forget'>): ConsumerHandler {
  return {
    ...(task.claim === undefined ? {} : { claim: task.claim.bind(task) }),
    handle: (batch, generation) => task.handle(batch, generation),
    revoked() {
      offsets.forget()
      task.revoked()
    },
  }
}
