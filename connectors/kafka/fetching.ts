import type { Consumer } from 'kafkajs'
import type { Position, TopicPartition } from '../contract.ts'

/** Controls what is fetched next of each partition. */
export interface Fetching {
  pause(partition: TopicPartition): void
  resume(partition: TopicPartition): void
  /** The next fetch starts there. */
  goOn(position: Position): void
}

export function fetchingOf(consumer: Consumer): Fetching {
  return {
    pause: ({ topic, partition }) => consumer.pause([{ topic, partitions: [partition] }]),
    resume: ({ topic, partition }) => consumer.resume([{ topic, partitions: [partition] }]),
    goOn: ({ topic, partition, nextOffset }) => consumer.seek({ topic, partition, offset: nextOffset.toString() }),
  }
}
