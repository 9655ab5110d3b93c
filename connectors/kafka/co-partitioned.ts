import type { PartitionAssigner } from 'kafkajs'
import { AssignerProtocol } from './kafkajs.ts'

/**
 * Gives partition n of every topic to the same member: topics with one key and as many partitions
 * then meet in one process. While partitions are added the topics do not have as many; then one
 * member gets them all. kafkajs's own assigner deals partitions out one by one, whatever their
 * topic.
 */
export const coPartitioned: PartitionAssigner = ({ cluster }) => ({
  name: 'millrace-co-partitioned',
  version: 0,
  async assign({ members, topics }) {
    const order = members.map(({ memberId }) => memberId).sort()
    const assignments = new Map(order.map((memberId): [string, Record<string, number[]>] => [memberId, {}]))
    const counts = new Set(topics.map((topic) => cluster.findTopicPartitionMetadata(topic).length))
    const sharing = counts.size === 1 ? order.length : 1
    for (const topic of topics) {
      for (const { partitionId } of cluster.findTopicPartitionMetadata(topic)) {
        const assignment = assignments.get(order[partitionId % sharing] ?? '')
        if (assignment !== undefined) assignment[topic] = [...(assignment[topic] ?? []), partitionId]
      }
    }
    return [...assignments].map(([memberId, assignment]) => ({
      memberId,
      memberAssignment: AssignerProtocol.MemberAssignment.encode({ version: 0, assignment, userData: Buffer.alloc(0) }),
    }))
  },
  protocol({ topics }) {
    return {
      name: this.name,
      metadata: AssignerProtocol.MemberMetadata.encode({ version: 0, topics, userData: Buffer.alloc(0) }),
    }
  },
})
