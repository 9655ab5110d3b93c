import type { Topic } from '../../processors/contract.ts'
import { KAFKAJS, type KafkaClient, openAdmin } from './client.ts'
import { kafkaError } from './outage.ts'
import { type Extent, topicExtents } from './scan.ts'

/**
 * Where the records begin in each partition that have the time `sinceMs` (milliseconds since 1970)
 * or a later one. An older one that came behind them is among them.
 */
export async function extentsSince(kafka: KafkaClient, topic: Topic, sinceMs: number): Promise<readonly Extent[]> {
  const extents = await topicExtents(kafka, topic)
  await using admin = openAdmin(kafka)
  try {
    const found = await (await admin[KAFKAJS]()).fetchTopicOffsetsByTimestamp(topic, sinceMs)
    const begins = new Map(found.map(({ partition, offset }) => [partition, BigInt(offset)]))
    return extents.map((extent) => {
      // A partition without such a record may be given the end, or -1.
      const begin = begins.get(extent.partition) ?? -1n
      if (begin < 0n || begin > extent.end) return { ...extent, earliest: extent.end }
      return begin > extent.earliest ? { ...extent, earliest: begin } : extent
    })
  } catch (cause) {
    throw kafkaError(`asking Kafka where ${topic} was at a moment`, cause)
  }
}
