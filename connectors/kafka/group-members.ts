import { KAFKAJS, type KafkaAdmin } from './client.ts'
import { kafkaError } from './outage.ts'

/** How many members each consumer group has now. A group that Kafka does not know has none. */
export async function groupMembers(admin: KafkaAdmin, groups: readonly string[]): Promise<ReadonlyMap<string, number>> {
  try {
    const { groups: found } = await (await admin[KAFKAJS]()).describeGroups([...groups])
    return new Map(found.map(({ groupId, members }) => [groupId, members.length]))
  } catch (cause) {
    throw kafkaError(`asking Kafka for the members of ${groups.join(', ')}`, cause)
  }
}
