import type { Admin, Kafka as KafkaClient } from 'kafkajs'
import type { KafkaRecord, Topic } from '../../processors/contract.ts'

/** End offset of each partition of a topic. */
export type EndOffsets = ReadonlyMap<number, bigint>

/** Where a topic ends at this moment. */
export async function endOffsets(admin: Admin, topic: Topic): Promise<EndOffsets> {
  return new Map((await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => [partition, BigInt(high)]))
}

/**
 * Hands on every record of a topic between two moments, in the order of each partition. Reads with a consumer group of its own, which it removes.
 * @param from partitions that are not named are read from their beginning
 * @param each is called with one record after the other; a rejection ends the reading
 */
export async function recordsBetween(
  kafka: KafkaClient,
  { topic, from, to }: { readonly topic: Topic; readonly from: EndOffsets; readonly to: EndOffsets },
  each: (record: KafkaRecord) => void,
): Promise<void> {
  const group = `millrace-read-${process.pid}-${Date.now()}`
  const admin = kafka.admin()
  await admin.connect()
  const left = new Set<number>()
  for (const { partition, low } of await admin.fetchTopicOffsets(topic)) {
    if (begin(from, partition, low) < (to.get(partition) ?? 0n)) left.add(partition)
  }
  if (left.size > 0) await read()
  await admin.disconnect()

  async function read(): Promise<void> {
    const consumer = kafka.consumer({ groupId: group, maxWaitTimeInMs: 100, allowAutoTopicCreation: false })
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    const lows = await admin.fetchTopicOffsets(topic)
    try {
      await new Promise<void>((resolve, reject) => {
        consumer.on(consumer.events.CRASH, ({ payload: { error } }) => reject(error))
        consumer
          .run({
            autoCommit: false,
            eachBatch: async ({ batch, resolveOffset }) => {
              const end = to.get(batch.partition) ?? 0n
              const records = batch.messages as unknown as readonly KafkaRecord[]
              for (const record of records) if (record.offset < end && record.offset >= (from.get(batch.partition) ?? 0n)) each(record)
              resolveOffset(batch.lastOffset())
              if (BigInt(batch.lastOffset()) + 1n >= end) left.delete(batch.partition)
              if (left.size === 0) resolve()
            },
          })
          .then(() => {
            for (const { partition, low } of lows) consumer.seek({ topic, partition, offset: begin(from, partition, low).toString() })
          }, reject)
      })
    } finally {
      await consumer.disconnect()
      await admin.deleteGroups([group])
    }
  }
}

function begin(from: EndOffsets, partition: number, low: string): bigint {
  const [wanted, earliest] = [from.get(partition) ?? 0n, BigInt(low)]
  return wanted > earliest ? wanted : earliest
}
