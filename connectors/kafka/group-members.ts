import { KAFKAJS, type KafkaAdmin } from './client.ts'
import { kafkaError } from './outage.ts'

/** A member of a consumer group, as Kafka knows it. */
export interface GroupMember {
  readonly clientId: string
  readonly host: string
}

/**
 * Who is in each of these groups now. A member that was killed is in it until its session times
 * out; a group that Kafka does not know has none.
 */
export async function groupMembers(admin: KafkaAdmin, groups: readonly string[]): Promise<ReadonlyMap<string, readonly GroupMember[]>> {
  try {
    const { groups: found } = await (await admin[KAFKAJS]()).describeGroups([...groups])
    return new Map(
      found.map(({ groupId, members }) => [
        groupId,
        members.map(({ clientId, clientHost }) => ({ clientId, host: clientHost.replace(/^\//, '') })),
      ]),
    )
  } catch (cause) {
    throw kafkaError(`asking Kafka for the members of ${groups.join(', ')}`, cause)
  }
}
