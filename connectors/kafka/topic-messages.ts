import type { RecordMetadata } from 'kafkajs'
import type { OutgoingRecord, RecordHeaders, Topic } from '../../processors/contract.ts'
import { ConnectorError } from '../contract.ts'
import { partitionOf } from './partition.ts'

interface Message {
  readonly key: Buffer | null
  readonly value: Buffer
  readonly timestamp: number
  readonly partition: number
  readonly headers: RecordHeaders | undefined
}

/** Messages of a topic, and whether each partition gets any. */
export interface TopicMessages {
  readonly list: Message[]
  readonly used: boolean[]
}

/**
 * Messages of a request, by topic.
 * @param partitions of each topic that the service declares
 */
export function groupByTopic(
  round: readonly { readonly records: readonly OutgoingRecord[] }[],
  partitions: ReadonlyMap<Topic, number>,
): ReadonlyMap<Topic, TopicMessages> {
  const messages = new Map<Topic, TopicMessages>()
  for (const { records } of round) {
    for (const { topic, key, value, timestampMs, headers } of records) {
      const count = partitions.get(topic)
      if (count === undefined)
        throw new ConnectorError('KAFKA_UNDECLARED_TOPIC', false, `sending to "${topic}", which this service did not declare`)
      let grouped = messages.get(topic)
      if (grouped === undefined) {
        grouped = { list: [], used: [] }
        messages.set(topic, grouped)
      }
      const partition = key === null ? 0 : partitionOf(key, count)
      grouped.used[partition] = true
      grouped.list.push({ key, value, timestamp: timestampMs, partition, headers })
    }
  }
  return messages
}

/** A partition that was sent to and did not acknowledge; undefined if all did. */
export function unacknowledged(messages: ReadonlyMap<Topic, TopicMessages>, acknowledged: readonly RecordMetadata[]): string | undefined {
  for (const [topic, { used }] of messages) {
    for (let partition = 0; partition < used.length; partition++) {
      if (used[partition] !== true) continue
      if (!acknowledged.some((each) => each.partition === partition && each.topicName === topic)) return `${topic}/${partition}`
    }
  }
  return undefined
}
