import type { RecordProducer } from '../connectors/contract.ts'
import { type KafkaClient, openAdmin } from '../connectors/kafka/client.ts'
import { committedOffsets } from '../connectors/kafka/committed-positions.ts'
import { createProducer } from '../connectors/kafka/producer.ts'
import { openTopicLogs } from '../connectors/kafka/topic-logs.ts'
import type { Topic } from '../processors/contract.ts'
import { type DeclaredService, deadTopics, writtenTopics } from '../processors/declaration.ts'
import { consumerGroups } from './consumer-groups.ts'
import { checkCompression, countPartitions, topicLimits } from './kafka.ts'
import { reportMetrics } from './metrics.ts'
import { watchPartitions } from './partition-watch.ts'
import { tellOfLogs } from './position-changes.ts'
import type { ServiceContext } from './service.ts'
import type { Waiting } from './waiting.ts'

export interface SendingOptions {
  readonly context: ServiceContext
  readonly kafka: KafkaClient
  readonly waiting: Waiting
  /** Whose topics are sent to: they must exist. */
  readonly declared: Pick<DeclaredService, 'name' | 'writes' | 'reasons'>
}

/** How a service sends to Kafka. */
export interface Sending extends AsyncDisposable {
  readonly producer: RecordProducer
  /** Largest value of a record that each topic takes. */
  readonly limits: ReadonlyMap<Topic, number>
  /**
   * Rejects if Kafka refuses for good what must be sent. Then the service must end; a new start
   * asks for the limits of the topics again.
   */
  readonly failed: Promise<never>
}

/** Asks Kafka for the topics, through outages, and opens a producer for them. */
export async function openSending({ context, declared, kafka, waiting }: SendingOptions): Promise<Sending> {
  const { config, log, signal, health, metrics } = context
  // Topics in which a device's records keep their order. Its dead letters may change partition at
  // any time.
  const ordered = writtenTopics(declared, 'device')
  const to = [...writtenTopics(declared, 'device', 'latest'), ...deadTopics([declared])]
  const partitions = await waiting.until('asking Kafka for topics', ['KAFKA_BROKERS'], () => countPartitions(kafka, to))
  await waiting.until('asking Kafka for topics', ['KAFKA_BROKERS'], () => checkCompression(kafka, to))
  const limits = await waiting.until('asking Kafka for topics', ['KAFKA_BROKERS'], () => topicLimits(kafka, config, to))
  const counters = { bytes: 0, retries: 0 }
  let lostOffsets = 0
  const tell = tellOfLogs((where, what) => health.set(where, what))
  let fail: (cause: Error) => void = () => undefined
  const failed = new Promise<never>((_, reject) => {
    fail = reject
  })
  failed.catch(() => undefined)
  const producer = await createProducer({
    kafka,
    partitions,
    limits,
    log,
    signal,
    counters,
    problem: (what) => health.set('sending to Kafka', what),
    refused: (cause) => fail(cause),
    lost: ({ topic, partition, from, to }) => {
      lostOffsets += Number(from - to)
      log.error('Kafka no longer has records that it had acknowledged', { topic, partition, from: String(from), to: String(to) })
      tell(
        `${topic}/${partition}`,
        `Kafka no longer has offsets ${to} to ${from - 1n}, which it had acknowledged: its log was cut, or the topic made anew. Who had not read them has lost them`,
      )
    },
  })
  reportMetrics(metrics, {
    millrace_sent_bytes_total: () => counters.bytes,
    millrace_send_retries_total: () => counters.retries,
    millrace_unkept_offsets_total: () => lostOffsets,
  })
  const logs = openTopicLogs(kafka)
  const admin = openAdmin(kafka)
  const watch = watchPartitions({
    logs,
    producer,
    partitions: new Map(to.flatMap((topic) => (partitions.has(topic) ? [[topic, partitions.get(topic) ?? 0]] : []))),
    ordered: (topic) => ordered.includes(topic),
    readers: async (topic) => {
      const groups = (await consumerGroups(config)).filter((each) => each.topic === topic)
      return Promise.all(
        groups.map(async ({ group }) => {
          const committed = await committedOffsets(admin, group, topic)
          return new Map([...committed].map(([partition, { nextOffset }]) => [partition, nextOffset]))
        }),
      )
    },
    log,
    signal,
    problem: (where, what) => health.set(where, what),
  })
  return {
    producer,
    limits,
    failed,
    async [Symbol.asyncDispose]() {
      watch[Symbol.dispose]()
      await producer[Symbol.asyncDispose]()
      await logs[Symbol.asyncDispose]()
      await admin[Symbol.asyncDispose]()
    },
  }
}
