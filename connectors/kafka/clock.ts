import type { Topic } from '../../processors/contract.ts'
import { ConnectorError, type RemoteClock } from '../contract.ts'
import { KAFKAJS, type KafkaClient } from './client.ts'
import { kafkaError } from './outage.ts'

/**
 * What time it is for the broker that leads the topic. Kafka has no request for its time. But it
 * tells when it appended a record, if the topic keeps that time. So each reading appends a small
 * record.
 * @param topic with `message.timestamp.type=LogAppendTime`
 */
export function createKafkaClock(kafka: KafkaClient, topic: Topic): RemoteClock {
  const producer = kafka[KAFKAJS].producer({ allowAutoTopicCreation: false, createPartitioner: () => () => 0, retry: { retries: 1 } })
  let connecting: Promise<void> | undefined
  return {
    async read() {
      try {
        connecting ??= producer.connect()
        await connecting
        const [answer] = await producer.send({ topic, acks: -1, messages: [{ partition: 0, key: null, value: '' }] })
        const appendedMs = Number(answer?.logAppendTime ?? -1)
        if (appendedMs >= 0) return appendedMs
      } catch (cause) {
        connecting = undefined
        throw kafkaError(`asking Kafka for its time, by topic ${topic}`, cause)
      }
      throw new ConnectorError(
        'KAFKA_NO_TIME',
        false,
        `asking Kafka for its time: topic ${topic} needs message.timestamp.type=LogAppendTime`,
      )
    },
    async [Symbol.asyncDispose]() {
      await producer.disconnect()
    },
  }
}
