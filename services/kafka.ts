import type { Log } from '../connectors/contract.ts'
import { createKafka, type KafkaAddress, type KafkaAdmin, type KafkaClient, openAdmin } from '../connectors/kafka/client.ts'
import type { WantedCopies } from '../connectors/kafka/copies.ts'
import { kafkaError } from '../connectors/kafka/outage.ts'
import {
  largestValue,
  largestValues,
  partitionCounts,
  type ThinTopic,
  type TopicSettings,
  thinTopics,
  topicSetting,
} from '../connectors/kafka/topics.ts'
import type { Topic } from '../processors/contract.ts'
import { type DeclaredService, deadTopics, type WrittenTopic, writtenTopics } from '../processors/declaration.ts'
import { type Config, ConfigError } from './config.ts'

/** A client for the configured cluster. */
export function kafkaClient({ env }: Config, clientId: string, log: Log): KafkaClient {
  const { KAFKA_USERNAME: username, KAFKA_PASSWORD: password } = env
  const files = { caFile: env.KAFKA_CA_FILE, certFile: env.KAFKA_CERT_FILE, keyFile: env.KAFKA_KEY_FILE }
  const withUser = username !== undefined && password !== undefined
  const address: KafkaAddress = {
    brokers: env.KAFKA_BROKERS.split(','),
    clientId,
    // A password never goes over a connection that anybody could read.
    ...(withUser || files.caFile !== undefined || files.certFile !== undefined ? { tls: files } : {}),
    ...(withUser ? { sasl: { mechanism: 'scram-sha-512', username, password } } : {}),
  }
  return createKafka(address, log)
}

const MILLIS_PER_HOUR = 3_600_000

/**
 * The topics whose key is the device: those that are read or written, and the dead letters. All
 * have the same number of partitions.
 */
export function sharedTopics(services: readonly DeclaredService[]): readonly Topic[] {
  const written = services.flatMap((service) => writtenTopics(service, 'device'))
  return [...new Set([...written, ...services.flatMap(({ reads }) => reads), ...deadTopics(services)])]
}

/** Copies of topics that are created. */
export function wantedCopies({
  replication_factor: replicationFactor,
  min_insync_replicas: minInsyncReplicas,
}: Config['topics']): WantedCopies {
  return { replicationFactor, minInsyncReplicas }
}

/** Every topic of the services, as it is to be created. */
export function wantedTopics({ topics: settings }: Config, services: readonly DeclaredService[]): readonly TopicSettings[] {
  const ways: Readonly<Record<NonNullable<WrittenTopic['holds']>, Pick<TopicSettings, 'partitions' | 'config'>>> = {
    device: {
      partitions: settings.partitions,
      config: {
        'retention.ms': String(settings.retention_hours * MILLIS_PER_HOUR),
        'max.message.bytes': String(settings.max_message_bytes),
        'message.timestamp.type': 'CreateTime',
      },
    },
    clock: {
      partitions: 1,
      config: { 'retention.ms': String(MILLIS_PER_HOUR), 'segment.ms': String(MILLIS_PER_HOUR), 'message.timestamp.type': 'LogAppendTime' },
    },
    latest: {
      partitions: 1,
      config: { 'cleanup.policy': 'compact', 'segment.ms': String(24 * MILLIS_PER_HOUR), 'message.timestamp.type': 'CreateTime' },
    },
  }
  const others = services.flatMap(({ writes }) => writes).filter(({ holds = 'device' }) => holds !== 'device')
  return [...sharedTopics(services).map((topic): WrittenTopic => ({ topic })), ...others].map(({ topic, holds = 'device' }) => ({
    topic,
    ...wantedCopies(settings),
    ...ways[holds],
  }))
}

/** Existing topics with too few copies; none if this user may not ask. */
export async function tooFewCopies(admin: KafkaAdmin, wanted: readonly TopicSettings[]): Promise<readonly ThinTopic[]> {
  try {
    return await thinTopics(admin, wanted)
  } catch (cause) {
    const error = kafkaError('asking Kafka for the copies of topics', cause)
    if (!AUTHORIZATION.has(error.code)) throw error
    return []
  }
}

/**
 * Partition counts of topics that must exist: `millrace migrate` creates them.
 * @throws ConnectorError, transient if Kafka is not there
 */
export async function countPartitions(kafka: KafkaClient, names: readonly Topic[]): Promise<ReadonlyMap<Topic, number>> {
  await using admin = openAdmin(kafka)
  try {
    return await partitionCounts(admin, names)
  } catch (cause) {
    const error = kafkaError(`asking Kafka for topics ${names.join(', ')}`, cause)
    if (error.code !== 'KAFKA_UNKNOWN_TOPIC_OR_PARTITION') throw error
    throw new Error(`topics ${names.join(', ')} must exist; run \`millrace migrate\``, { cause })
  }
}

/**
 * Largest value of a record that each topic takes. If this user may not ask Kafka, it is the limit
 * that the configuration creates topics with.
 * @throws ConnectorError, transient if Kafka is not there
 */
export async function topicLimits(
  kafka: KafkaClient,
  { topics: settings }: Config,
  names: readonly Topic[],
): Promise<ReadonlyMap<Topic, number>> {
  await using admin = openAdmin(kafka)
  try {
    return await largestValues(admin, names)
  } catch (cause) {
    const error = kafkaError(`asking Kafka for the limits of topics ${names.join(', ')}`, cause)
    if (!AUTHORIZATION.has(error.code)) throw error
    return new Map(names.map((name) => [name, largestValue(settings.max_message_bytes)]))
  }
}

/** The `compression.type`s of a topic whose records we can read. */
const READABLE: ReadonlySet<string> = new Set(['producer', 'uncompressed', 'none', 'gzip'])

/**
 * Refuses topics that Kafka itself compresses with what is not read here: every record would become
 * a dead letter.
 * @throws ConfigError, or ConnectorError, transient if Kafka is not there
 */
export async function checkCompression(kafka: KafkaClient, names: readonly Topic[]): Promise<void> {
  await using admin = openAdmin(kafka)
  try {
    for (const [topic, type = 'producer'] of await topicSetting(admin, names, 'compression.type')) {
      if (!READABLE.has(type))
        throw new ConfigError(
          `topic ${topic} has compression.type ${type}, which is not read here: set it to producer, uncompressed or gzip`,
        )
    }
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause
    const error = kafkaError(`asking Kafka for the compression of topics ${names.join(', ')}`, cause)
    if (!AUTHORIZATION.has(error.code)) throw error
  }
}

const AUTHORIZATION: ReadonlySet<string> = new Set(['KAFKA_TOPIC_AUTHORIZATION_FAILED', 'KAFKA_CLUSTER_AUTHORIZATION_FAILED'])
