import type { Kafka as KafkaClient } from 'kafkajs'
import type { RecordProducer } from '../connectors/contract.ts'
import { createProducer, type ProducerCounters } from '../connectors/kafka/producer.ts'
import type { Topic } from '../processors/contract.ts'
import { checkCompression, countPartitions, topicLimits } from './kafka.ts'
import type { ServiceContext } from './service.ts'
import type { Waiting } from './waiting.ts'

export interface SendingOptions {
  readonly context: ServiceContext
  readonly kafka: KafkaClient
  readonly waiting: Waiting
  /** Topics that are sent to: they must exist. */
  readonly to: readonly Topic[]
  /** Topics that are read, which must exist too. */
  readonly from?: readonly Topic[]
}

/** What a service sends to Kafka with. */
export interface Sending extends AsyncDisposable {
  readonly producer: RecordProducer
  /** Largest value of a record that each topic takes. */
  readonly limits: ReadonlyMap<Topic, number>
  readonly counters: ProducerCounters
  /** Rejects if Kafka refuses for good what must be sent. Nothing can go on then; a new start asks for the topics' limits again. */
  readonly failed: Promise<never>
}

/** Asks Kafka for the topics, through outages, and opens a producer for them. */
export async function openSending({ context, kafka, waiting, to, from = [] }: SendingOptions): Promise<Sending> {
  const { config, log, signal, health } = context
  const partitions = await waiting.until('asking Kafka for topics', ['KAFKA_BROKERS'], () => countPartitions(kafka, [...from, ...to]))
  await waiting.until('asking Kafka for topics', ['KAFKA_BROKERS'], () => checkCompression(kafka, [...from, ...to]))
  const limits = await waiting.until('asking Kafka for topics', ['KAFKA_BROKERS'], () => topicLimits(kafka, config, to))
  const counters = { records: 0, bytes: 0, requests: 0, retries: 0 }
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
    trouble: (what) => health.set('sending to Kafka', what),
    refused: (cause) => fail(cause),
  })
  return { producer, limits, counters, failed, [Symbol.asyncDispose]: () => producer[Symbol.asyncDispose]() }
}
