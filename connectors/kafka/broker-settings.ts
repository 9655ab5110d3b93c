import type { Topic } from '../../processors/contract.ts'
import { KAFKAJS, type KafkaAdmin } from './client.ts'

/** A Kafka cluster as it is set up. Settings have Kafka's own names, as in `log.dirs`. */
export interface ClusterSettings {
  readonly brokers: readonly BrokerSettings[]
  /** Those asked for that exist. */
  readonly topics: readonly TopicReplication[]
}

export interface BrokerSettings {
  readonly id: number
  readonly host: string
  readonly values: ReadonlyMap<string, string>
}

export interface TopicReplication {
  readonly topic: Topic
  readonly partitions: number
  /** Of the partition with the fewest. */
  readonly replicas: number
  readonly values: ReadonlyMap<string, string>
}

/** Kafka's own numbers for resources (protocol guide, "DescribeConfigs"). */
const [TOPIC_RESOURCE, BROKER_RESOURCE] = [2, 4]

/** Rejects as kafkajs does, if this user may not ask. */
export async function clusterSettings(admin: KafkaAdmin, wanted: readonly Topic[]): Promise<ClusterSettings> {
  const kafkajs = await admin[KAFKAJS]()
  const there = new Set(await kafkajs.listTopics())
  const topics = wanted.filter((topic) => there.has(topic))
  const [{ brokers }, { topics: found }] = [
    await kafkajs.describeCluster(),
    topics.length === 0 ? { topics: [] } : await kafkajs.fetchTopicMetadata({ topics: [...topics] }),
  ]
  const { resources } = await kafkajs.describeConfigs({
    includeSynonyms: false,
    resources: [
      ...topics.map((name) => ({ type: TOPIC_RESOURCE, name })),
      // Each broker is asked by itself: kafkajs asks the one that a resource names.
      ...brokers.map(({ nodeId }) => ({ type: BROKER_RESOURCE, name: String(nodeId) })),
    ],
  })
  const values = (type: number, name: string): ReadonlyMap<string, string> =>
    new Map(
      resources
        .filter((each) => each.resourceType === type && each.resourceName === name)
        .flatMap(({ configEntries }) => configEntries.map(({ configName, configValue }) => [configName, configValue] as const)),
    )
  return {
    brokers: brokers.map(({ nodeId, host }) => ({ id: nodeId, host, values: values(BROKER_RESOURCE, String(nodeId)) })),
    topics: found.map(({ name, partitions }) => ({
      topic: name as Topic,
      partitions: partitions.length,
      replicas: Math.min(...partitions.map(({ replicas }) => replicas.length)),
      values: values(TOPIC_RESOURCE, name),
    })),
  }
}
