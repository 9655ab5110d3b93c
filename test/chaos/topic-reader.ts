import { randomUUID } from 'node:crypto'
import { KAFKAJS, type KafkaClient } from '../../connectors/kafka/client.ts'
import type { KafkaRecord } from '../../processors/contract.ts'

/** A topic that gives nothing for this long is stuck. */
const STUCK_MS = 60_000

/** Hands over every record that a topic has now, per partition in order. */
export async function readTopic(kafka: KafkaClient, topic: string, each: (record: KafkaRecord, partition: number) => void): Promise<void> {
  const left = await ends(kafka, topic)
  if (left.size === 0) return
  const consumer = kafka[KAFKAJS].consumer({ groupId: `chaos-${randomUUID()}`, maxWaitTimeInMs: 100, maxBytesPerPartition: 4_000_000 })
  let timer: NodeJS.Timeout | undefined
  try {
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await new Promise<void>((resolve, reject) => {
      const wait = (): void => {
        clearTimeout(timer)
        timer = setTimeout(() => reject(new Error(`reading ${topic}: nothing came for ${STUCK_MS / 1000} s`)), STUCK_MS)
      }
      wait()
      consumer
        .run({
          autoCommit: false,
          eachBatch: async ({ batch }) => {
            wait()
            const end = left.get(batch.partition)
            if (end === undefined) return
            for (const record of batch.messages as unknown as readonly KafkaRecord[]) if (record.offset < end) each(record, batch.partition)
            if (BigInt(batch.lastOffset()) + 1n >= end) left.delete(batch.partition)
            if (left.size === 0) resolve()
          },
        })
        .catch(reject)
    })
  } finally {
    clearTimeout(timer)
    await consumer.disconnect()
  }
}

/** First offset that is not there yet, of each partition that has records. */
async function ends(kafka: KafkaClient, topic: string): Promise<Map<number, bigint>> {
  const admin = kafka[KAFKAJS].admin()
  await admin.connect()
  try {
    const offsets = await admin.fetchTopicOffsets(topic)
    return new Map(offsets.flatMap(({ partition, high, low }) => (high === low ? [] : [[partition, BigInt(high)] as const])))
  } finally {
    await admin.disconnect()
  }
}
