import { KAFKAJS, type KafkaClient, openAdmin } from '../../connectors/kafka/client.ts'
import { createCluster } from '../../connectors/kafka/raw-requests.ts'
import type { Topic } from '../../processors/contract.ts'

/** The broker that leads each partition of a topic, in their order; -1 if none does now. */
export async function partitionLeaders(kafka: KafkaClient, topic: Topic): Promise<readonly number[]> {
  await using admin = openAdmin(kafka)
  const { topics } = await (await admin[KAFKAJS]()).fetchTopicMetadata({ topics: [topic] })
  return (topics[0]?.partitions ?? []).toSorted((a, b) => a.partitionId - b.partitionId).map(({ leader }) => leader)
}

/** The broker that keeps the offsets of a group, and knows its members. */
export async function groupCoordinator(kafka: KafkaClient, group: string): Promise<number> {
  const cluster = createCluster(kafka)
  try {
    await cluster.connect()
    await cluster.refreshMetadata()
    return (await cluster.findGroupCoordinator({ groupId: group })).nodeId
  } finally {
    await cluster.disconnect()
  }
}
