import type { ConsumerName, Topic } from '../../processors/contract.ts'
import type { Position, TopicState } from '../contract.ts'
import { ConnectorError } from '../contract.ts'
import type { KafkaClient } from './client.ts'
import { commitMetadata } from './committed-positions.ts'
import { kafkaError } from './outage.ts'
import { createCluster } from './raw-requests.ts'

/** Of a simple consumer, which is in no group (Kafka's protocol guide, "OffsetCommit"). */
const NO_MEMBER = { groupGenerationId: -1, memberId: '' }

/**
 * Commits positions of a group that has no members. Kafka itself refuses if it has some by then.
 * @throws ConnectorError, with code `KAFKA_UNKNOWN_MEMBER_ID` if the group has members
 */
export async function commitForStopped(
  kafka: KafkaClient,
  group: ConsumerName,
  positions: readonly Position[],
  states: ReadonlyMap<Topic, TopicState>,
): Promise<void> {
  const cluster = createCluster(kafka)
  const topics = [...new Set(positions.map(({ topic }) => topic))]
  try {
    await cluster.connect()
    const coordinator = await cluster.findGroupCoordinator({ groupId: group })
    await coordinator.offsetCommit({
      groupId: group,
      ...NO_MEMBER,
      topics: topics.map((topic) => ({
        topic,
        partitions: positions
          .filter((position) => position.topic === topic)
          .map(({ partition, nextOffset, leaderEpoch }) => {
            const topicId = states.get(topic)?.id
            if (topicId === undefined) throw new ConnectorError('KAFKA_UNKNOWN_TOPIC', false, `Kafka has no topic ${topic}`)
            return { partition, offset: String(nextOffset), metadata: commitMetadata({ leaderEpoch, topicId }) }
          }),
      })),
    })
  } catch (cause) {
    throw cause instanceof ConnectorError ? cause : kafkaError(`committing positions of ${group}`, cause)
  } finally {
    await cluster.disconnect()
  }
}
