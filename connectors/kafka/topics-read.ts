import type { Topic } from '../../processors/contract.ts'
import type { TopicPartition, TopicState } from '../contract.ts'
import { placeOf } from './assigned-partitions.ts'

/**
 * Of which topics a member has read its partitions: their IDs, which tell a recreated topic from
 * its namesake. Kafka forgets with a topic what was committed to it, so nobody else can tell.
 *
 * Only a claim that has succeeded changes it. One that an assignment interrupts, or that is made
 * while there is no topic, would make it forget the old topic before anybody compared.
 */
export class TopicsRead {
  private readonly ids = new Map<string, string>()

  /**
   * The ID of the topic of which the partition was read last, by another member perhaps; undefined
   * if this member has claimed none of the topic's partitions.
   */
  idOf({ topic, partition }: TopicPartition): string | undefined {
    return this.ids.get(placeOf(topic, partition)) ?? this.ids.get(topic)
  }

  /** These partitions are read of the topics as they are now. */
  claimed(partitions: readonly TopicPartition[], states: ReadonlyMap<Topic, TopicState>): void {
    for (const { topic, partition } of partitions) {
      const id = states.get(topic)?.id
      if (id === undefined) continue
      this.ids.set(placeOf(topic, partition), id)
      this.ids.set(topic, id)
    }
  }
}
