import { createRequire } from 'node:module'
import type { KafkaRecord } from '../../processors/contract.ts'
import { ConnectorError } from '../contract.ts'
import { crc32c } from './crc32c.ts'

const require = createRequire(import.meta.url)

interface Codec {
  decompress(bytes: Buffer): Promise<Buffer>
}

const { lookupCodecByAttributes } = require('kafkajs/src/protocol/message/compression') as {
  lookupCodecByAttributes(attributes: number): Codec | null
}

/** What kafkajs wants to know of a record's batch: whether its transaction was aborted. */
interface BatchContext {
  readonly producerId: string
  readonly inTransaction: boolean
}

/** A record as fetched: what processors see, and what kafkajs needs to skip control records and aborted transactions. */
export interface FetchedRecord extends KafkaRecord {
  readonly isControlRecord: boolean
  readonly batchContext: BatchContext
}

const OVERHEAD = 61
const LENGTH_COVERS_FROM = 12

/**
 * Decodes the record batches of a fetch response (Kafka protocol guide, "Record Batch", magic 2). A last batch that the response cut
 * off is left for the next fetch. Keys and values are views of the response.
 * @throws ConnectorError `KAFKA_CORRUPT_BATCH` where a CRC does not match, `KAFKA_OLD_FORMAT` for a format older than Kafka 0.11
 */
export async function decodeRecordBatches(bytes: Buffer): Promise<FetchedRecord[]> {
  const records: FetchedRecord[] = []
  let at = 0
  while (at + OVERHEAD <= bytes.length) {
    const end = at + LENGTH_COVERS_FROM + bytes.readInt32BE(at + 8)
    if (end > bytes.length) break
    const magic = bytes.readInt8(at + 16)
    if (magic !== 2) throw new ConnectorError('KAFKA_OLD_FORMAT', false, `reading a record batch: magic must be 2, not ${magic}`)
    if (crc32c(bytes, at + 21, end) !== bytes.readUInt32BE(at + 17)) {
      throw new ConnectorError(
        'KAFKA_CORRUPT_BATCH',
        true,
        `reading the record batch at offset ${bytes.readBigInt64BE(at)}: its CRC does not match`,
      )
    }
    await decodeBatch(bytes, at, end, records)
    at = end
  }
  return records
}

async function decodeBatch(bytes: Buffer, start: number, end: number, records: FetchedRecord[]): Promise<void> {
  const attributes = bytes.readInt16BE(start + 21)
  const baseOffset = bytes.readBigInt64BE(start)
  const firstTimestamp = Number(bytes.readBigInt64BE(start + 27))
  const logAppendTime = (attributes & 0x08) !== 0 ? Number(bytes.readBigInt64BE(start + 35)) : undefined
  const batchContext = { producerId: bytes.readBigInt64BE(start + 43).toString(), inTransaction: (attributes & 0x10) !== 0 }
  const isControlRecord = (attributes & 0x20) !== 0
  const codec = lookupCodecByAttributes(attributes)
  const body = codec === null ? bytes : await codec.decompress(bytes.subarray(start + OVERHEAD, end))
  const reader = new VarintReader(body, codec === null ? start + OVERHEAD : 0)
  for (let left = bytes.readInt32BE(start + 57); left > 0; left--) {
    const next = reader.read()
    const recordEnd = reader.at + next
    reader.at++
    const delta = reader.read()
    const offset = baseOffset + BigInt(reader.read())
    const key = reader.bytes()
    const value = reader.bytes()
    records.push({ key, value, offset, timestampMs: logAppendTime ?? firstTimestamp + delta, isControlRecord, batchContext })
    reader.at = recordEnd
  }
}

/** Zigzag varints below 2^53. */
class VarintReader {
  readonly source: Buffer
  at: number
  constructor(source: Buffer, at: number) {
    this.source = source
    this.at = at
  }

  read(): number {
    let value = 0
    let factor = 1
    for (;;) {
      const byte = this.source[this.at++]
      if (byte === undefined) throw new ConnectorError('KAFKA_CORRUPT_BATCH', true, 'reading a record: it ends within a varint')
      value += (byte & 0x7f) * factor
      if (byte < 0x80) break
      factor *= 128
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  bytes(): Buffer | null {
    const length = this.read()
    if (length < 0) return null
    const start = this.at
    this.at += length
    return this.source.subarray(start, this.at)
  }
}
