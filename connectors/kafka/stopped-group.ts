import type { ConsumerName, Topic } from '../../processors/contract.ts'
import type { Position, TopicState } from '../contract.ts'
import { ConnectorError } from '../contract.ts'
import { KAFKAJS, type KafkaAdmin, type KafkaClient } from './client.ts'
import { commitMetadata } from './committed-positions.ts'
import { kafkaError } from './outage.ts'
import { createCluster } from './raw-requests.ts'

/** A member of a consumer group, as Kafka knows it. */
export interface GroupMember {
  readonly clientId: string
  readonly host: string
}

/** Of a simple consumer, which is in no group (Kafka's protocol guide, "OffsetCommit"). */
const NO_MEMBER = { groupGenerationId: -1, memberId: '' }

/**
 * Who is in a group now. A member that was killed is in it until its session times out.
 */
export async function groupMembers(admin: KafkaAdmin, group: ConsumerName): Promise<readonly GroupMember[]> {
  const { groups } = await (await admin[KAFKAJS]()).describeGroups([group])
  return groups.flatMap(({ members }) => members.map(({ clientId, clientHost }) => ({ clientId, host: clientHost.replace(/^\//, '') })))
}

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
