import { gzipSync } from 'node:zlib'
import { crc32c } from '../../connectors/kafka/crc32c.ts'
import { createCluster, sendRaw } from '../../connectors/kafka/raw-requests.ts'
import { type BatchRecord, encodeRecordBatch } from '../../connectors/kafka/record-batch.ts'
import { testKafka } from './stack-clients.ts'

/** Compression types of a record batch's attributes. */
export const GZIP = 1
export const SNAPPY = 2
export const LZ4 = 3
export const ZSTD = 4

const OVERHEAD = 61

/** A record batch of a producer that is not idempotent; with `gzip`, compressed. */
export function recordBatch(records: readonly BatchRecord[], gzip = false): Buffer {
  const batch = encodeRecordBatch(records, { producerId: -1n, producerEpoch: -1, firstSequence: -1 })
  return gzip ? withBody(batch, GZIP, gzipSync(batch.subarray(OVERHEAD))) : batch
}

/** The batch with other attributes and another body, as its CRC says. */
export function withBody(batch: Buffer, attributes: number, body: Buffer): Buffer {
  const changed = Buffer.concat([batch.subarray(0, OVERHEAD), body])
  changed.writeInt32BE(changed.length - 12, 8)
  changed.writeInt16BE(attributes, 21)
  changed.writeUInt32BE(crc32c(changed, 21, changed.length), 17)
  return changed
}

/**
 * Sends a batch to the one broker of a local stack, past every check of a client (Produce, version
 * 7). Rejects with Kafka's error.
 */
export async function produceBatch(topic: string, partition: number, batch: Buffer): Promise<void> {
  const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff])
  const int32 = (value: number): Buffer => {
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(value)
    return bytes
  }
  const text = (value: string): Buffer => Buffer.concat([int16(value.length), Buffer.from(value)])
  const cluster = createCluster(testKafka())
  await cluster.connect()
  await cluster.refreshMetadata()
  try {
    const nodeId = cluster.getNodeIds()[0] ?? ''
    const error = await sendRaw(cluster, nodeId, {
      apiKey: 0,
      apiVersion: 7,
      apiName: 'Produce',
      body: Buffer.concat([
        ...[int16(-1), int16(-1), int32(10_000)],
        ...[int32(1), text(topic), int32(1), int32(partition), int32(batch.length), batch],
      ]),
      // One topic by its name, one partition: its number, then the error.
      parse: (answer) => answer.readInt16BE(4 + 2 + topic.length + 4 + 4),
    })
    if (error !== 0) throw new Error(`Kafka refuses the batch: error ${error}`)
  } finally {
    await cluster.disconnect()
  }
}
