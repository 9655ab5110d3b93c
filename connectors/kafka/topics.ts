import { setTimeout as delay } from 'node:timers/promises'
import type { Topic } from '../../processors/contract.ts'
import { ConnectorError } from '../contract.ts'
import { KAFKAJS, type KafkaAdmin, type KafkaClient } from './client.ts'
import { committedOffsets } from './committed-positions.ts'
import { type Copies, copiesOn, type WantedCopies } from './copies.ts'
import { type Lag, lagOf } from './lag.ts'
import { openTopicLogs } from './topic-logs.ts'

/** A topic as this system needs it. */
export interface TopicSettings extends WantedCopies {
  readonly topic: Topic
  readonly partitions: number
  /** Kafka's own names, as in `retention.ms`. */
  readonly config: Readonly<Record<string, string>>
}

/** The same, once it is known how many brokers there are. */
export interface NewTopic extends Pick<TopicSettings, 'topic' | 'partitions' | 'config'> {
  readonly replicationFactor: number
}

/** A broker hears of a change a moment after the controller. Asks again after this pause. */
const HEARD_MS = 100
/** A cluster that has no leaders by then is not merely slow. */
const LEADERS_MS = 60_000

/**
 * Creates the topics that are missing, and changes none. Resolves, once the cluster has leaders for
 * them, to the names of those created.
 * @throws ConnectorError, transient, if it has none in time: the topics exist, and may be asked for
 *   again
 */
export async function ensureTopics(admin: KafkaAdmin, wanted: readonly TopicSettings[], withinMs = LEADERS_MS): Promise<readonly Topic[]> {
  const missing = await missingTopics(admin, wanted)
  if (missing.length === 0) return []
  const kafkajs = await admin[KAFKAJS]()
  await kafkajs.createTopics({
    // kafkajs would take a broker that has not heard of them yet for a failure.
    waitForLeaders: false,
    topics: missing.map(({ topic, partitions, replicationFactor, config }) => ({
      topic,
      numPartitions: partitions,
      replicationFactor,
      configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
    })),
  })
  const names = missing.map(({ topic }) => topic)
  for (const began = performance.now(); !(await haveLeaders(admin, names)); await delay(HEARD_MS))
    if (performance.now() - began >= withinMs)
      throw new ConnectorError('KAFKA_NO_LEADER', true, `waiting ${withinMs / 1000} s for leaders of topics ${names.join(', ')}`)
  return names
}

/**
 * Those that do not exist, as they would be created on the brokers that there are now.
 * @throws ConnectorError if these are too few for the copies
 */
export async function missingTopics(admin: KafkaAdmin, wanted: readonly TopicSettings[]): Promise<readonly NewTopic[]> {
  const kafkajs = await admin[KAFKAJS]()
  const existing = new Set(await kafkajs.listTopics())
  const missing = wanted.filter(({ topic }) => !existing.has(topic))
  if (missing.length === 0) return []
  const { brokers } = await kafkajs.describeCluster()
  return missing.map(({ topic, partitions, config, ...copies }) => {
    const { replicationFactor, minInsyncReplicas } = copiesOn(brokers.length, copies)
    // With one copy there is nothing to be in step: the broker's own setting may stay.
    const inStep = replicationFactor === 1 ? {} : { [MIN_INSYNC]: String(minInsyncReplicas) }
    return { topic, partitions, replicationFactor, config: { ...config, ...inStep } }
  })
}

const MIN_INSYNC = 'min.insync.replicas'

/** An existing topic with fewer copies than one that is created now would have. */
export interface ThinTopic {
  readonly topic: Topic
  readonly is: Copies
  readonly wanted: Copies
}

/** Those of the existing topics; copies of a partition count where it has the fewest. */
export async function thinTopics(admin: KafkaAdmin, wanted: readonly TopicSettings[]): Promise<readonly ThinTopic[]> {
  const kafkajs = await admin[KAFKAJS]()
  const there = new Set(await kafkajs.listTopics())
  const existing = wanted.filter(({ topic }) => there.has(topic))
  if (existing.length === 0) return []
  const { brokers } = await kafkajs.describeCluster()
  const names = existing.map(({ topic }) => topic)
  const { topics: found } = await kafkajs.fetchTopicMetadata({ topics: names })
  const copies = new Map(found.map(({ name, partitions }) => [name, Math.min(...partitions.map(({ replicas }) => replicas.length))]))
  const inStep = await topicSetting(admin, names, MIN_INSYNC)
  return existing.flatMap(({ topic, replicationFactor, minInsyncReplicas }) => {
    const is = { replicationFactor: copies.get(topic) ?? 1, minInsyncReplicas: Number(inStep.get(topic) ?? 1) }
    // Nothing is created here: a broker that is away now is no reason to refuse.
    const most = replicationFactor === 'auto' ? brokers.length : Math.max(replicationFactor, brokers.length)
    const should = copiesOn(most, { replicationFactor, minInsyncReplicas })
    return is.replicationFactor < should.replicationFactor || is.minInsyncReplicas < should.minInsyncReplicas
      ? [{ topic, is, wanted: should }]
      : []
  })
}

const NOT_YET = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE'])

async function haveLeaders(admin: KafkaAdmin, topics: readonly Topic[]): Promise<boolean> {
  try {
    await partitionCounts(admin, topics)
    return true
  } catch (cause) {
    if (NOT_YET.has((cause as { readonly type?: string }).type ?? '')) return false
    throw cause
  }
}

/** Every topic that Kafka has. */
export async function topicNames(admin: KafkaAdmin): Promise<readonly Topic[]> {
  return (await (await admin[KAFKAJS]()).listTopics()) as Topic[]
}

/** Gives topics more partitions, and waits until the cluster has them. */
export async function addPartitions(admin: KafkaAdmin, topics: readonly Topic[], partitions: number): Promise<void> {
  await (await admin[KAFKAJS]()).createPartitions({ topicPartitions: topics.map((topic) => ({ topic, count: partitions })) })
  for (;;) {
    const counts = await partitionCounts(admin, topics)
    if ([...counts.values()].every((count) => count >= partitions)) return
    await delay(HEARD_MS)
  }
}

/** Number of partitions of each topic. Rejects if one does not exist. */
export async function partitionCounts(admin: KafkaAdmin, topics: readonly Topic[]): Promise<ReadonlyMap<Topic, number>> {
  const { topics: found } = await (await admin[KAFKAJS]()).fetchTopicMetadata({ topics: [...topics] })
  return new Map(found.map(({ name, partitions }) => [name as Topic, partitions.length]))
}

/** Kafka's own number for a resource that is a topic (protocol guide, "DescribeConfigs"). */
const TOPIC_RESOURCE = 2
/**
 * What Kafka adds to a value: the head of the batch, the head of the record, and a key and headers
 * as large as ours.
 */
const RECORD_OVERHEAD_BYTES = 4096

/**
 * Largest value of a record that each topic takes, as Kafka has it now: existing topics keep the
 * limit that they were created with.
 */
export async function largestValues(admin: KafkaAdmin, topics: readonly Topic[]): Promise<ReadonlyMap<Topic, number>> {
  const limits = await topicSetting(admin, topics, 'max.message.bytes')
  return new Map([...limits].map(([topic, limit]) => [topic, largestValue(Number(limit))]))
}

/** A topic's setting, by Kafka's own name for it, as in `compression.type`. */
export async function topicSetting(
  admin: KafkaAdmin,
  topics: readonly Topic[],
  setting: string,
): Promise<ReadonlyMap<Topic, string | undefined>> {
  const { resources } = await (await admin[KAFKAJS]()).describeConfigs({
    includeSynonyms: false,
    resources: topics.map((name) => ({ type: TOPIC_RESOURCE, name, configNames: [setting] })),
  })
  return new Map(
    resources.map(({ resourceName, configEntries }) => [
      resourceName as Topic,
      configEntries.find(({ configName }) => configName === setting)?.configValue,
    ]),
  )
}

/** @param maxMessageBytes Kafka's `max.message.bytes` */
export function largestValue(maxMessageBytes: number): number {
  return maxMessageBytes - RECORD_OVERHEAD_BYTES
}

/** How far a consumer group is behind on one partition. */
export interface PartitionLag extends Lag {
  readonly topic: Topic
  readonly partition: number
}

/** A group's lag on each partition of its topics, by what it committed to Kafka. */
export async function groupLag(admin: KafkaAdmin, group: string, topics: readonly Topic[]): Promise<readonly PartitionLag[]> {
  const lags: PartitionLag[] = []
  for (const topic of topics) {
    const committed = await committedOffsets(admin, group, topic)
    for (const { partition, high, low } of await (await admin[KAFKAJS]()).fetchTopicOffsets(topic)) {
      const extent = { partition, earliest: BigInt(low), end: BigInt(high) }
      lags.push({ topic, partition, ...lagOf(committed.get(partition), extent) })
    }
  }
  return lags
}

/** Sum of the end offsets of a topic's partitions: how many records it was ever sent. */
export async function endOffset(admin: KafkaAdmin, topic: Topic): Promise<bigint> {
  return (await (await admin[KAFKAJS]()).fetchTopicOffsets(topic)).reduce((sum, { high }) => sum + BigInt(high), 0n)
}

/**
 * For each partition, the first offset, in their order, of a record whose timestamp is that or
 * later; the end if there is none. Timestamps need not ascend: records after it may be older.
 * @param ms milliseconds since 1970
 */
export async function offsetsAt(admin: KafkaAdmin, topic: Topic, ms: number): Promise<ReadonlyMap<number, bigint>> {
  // kafkajs takes anything: what is no number would be the beginning.
  if (!Number.isSafeInteger(ms) || ms < 0) throw new RangeError(`expected milliseconds since 1970, got ${ms}`)
  const found = await (await admin[KAFKAJS]()).fetchTopicOffsetsByTimestamp(topic, ms)
  return new Map(found.map(({ partition, offset }) => [partition, BigInt(offset)]))
}

/** A topic's ID, which tells a recreated topic from its namesake: 32 hexadecimal digits. */
export async function topicId(kafka: KafkaClient, topic: Topic): Promise<string> {
  await using logs = openTopicLogs(kafka)
  const found = (await logs.topics([topic])).get(topic)
  if (found === undefined) throw new Error(`Kafka has no topic "${topic}": run \`millrace migrate\``)
  return found.id
}
