import { createRequire } from 'node:module'
import type { KafkaRecord, RecordHeaders } from '../../processors/contract.ts'
import { ConnectorError } from '../contract.ts'
import { crc32c } from './crc32c.ts'
import { HeadersReader } from './record-headers.ts'
import { VarintReader } from './varint.ts'

const require = createRequire(import.meta.url)

interface Codec {
  decompress(bytes: Buffer): Promise<Buffer>
}

const { lookupCodecByAttributes } = require('kafkajs/src/protocol/message/compression') as {
  lookupCodecByAttributes(attributes: number): Codec | null
}

/** What kafkajs wants to know of a record's batch, whether its transaction was aborted, and who decodes its headers. */
interface BatchContext {
  readonly producerId: string
  readonly inTransaction: boolean
  readonly headers: HeadersReader
}

/** Place of the headers of a record that has none. */
const NO_HEADERS = -1

/** A record as fetched: what processors see, and what kafkajs needs to skip control records and aborted transactions. */
export class FetchedRecord implements KafkaRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly offset: bigint
  readonly timestampMs: number
  readonly isControlRecord: boolean
  readonly batchContext: BatchContext
  /** Where the headers are: who does not look at them does not pay for them. */
  private readonly headersAt: number

  constructor(
    key: Buffer | null,
    value: Buffer | null,
    offset: bigint,
    timestampMs: number,
    isControlRecord: boolean,
    batchContext: BatchContext,
    headersAt: number,
  ) {
    this.key = key
    this.value = value
    this.offset = offset
    this.timestampMs = timestampMs
    this.isControlRecord = isControlRecord
    this.batchContext = batchContext
    this.headersAt = headersAt
  }

  get headers(): RecordHeaders | undefined {
    return this.headersAt === NO_HEADERS ? undefined : this.batchContext.headers.read(this.headersAt)
  }
}

const OVERHEAD = 61
const LENGTH_COVERS_FROM = 12
/** Attributes of a batch. */
const TRANSACTIONAL = 0x10
const CONTROL = 0x20

/** What one fetch brought of a partition. */
export interface FetchedRecords {
  readonly records: FetchedRecord[]
  /** Offset after the last batch; undefined where there is none. Batches may have no records, where compaction took them. */
  readonly nextOffset: bigint | undefined
  /** Epoch of the leader that wrote the first batch, and the last; -1 where there is none. */
  readonly firstLeaderEpoch: number
  readonly leaderEpoch: number
  /** Whether some are of a transaction, or its marker. */
  readonly transactional: boolean
}

/**
 * Decodes the record batches of a fetch response (Kafka protocol guide, "Record Batch", magic 2). A last batch that the response cut
 * off is left for the next fetch. Keys and values are views of the response.
 * @throws ConnectorError `KAFKA_CORRUPT_BATCH` where a CRC does not match, `KAFKA_OLD_FORMAT` for a format older than Kafka 0.11
 */
export async function decodeRecordBatches(bytes: Buffer): Promise<FetchedRecords> {
  const records: FetchedRecord[] = []
  let nextOffset: bigint | undefined
  let [firstLeaderEpoch, leaderEpoch] = [-1, -1]
  let transactional = false
  let at = 0
  while (at + OVERHEAD <= bytes.length) {
    const end = at + LENGTH_COVERS_FROM + bytes.readInt32BE(at + 8)
    if (end > bytes.length) break
    const magic = bytes.readInt8(at + 16)
    if (magic !== 2) throw new ConnectorError('KAFKA_OLD_FORMAT', false, `reading a record batch: magic must be 2, not ${magic}`)
    const baseOffset = bytes.readBigInt64BE(at)
    if (crc32c(bytes, at + 21, end) !== bytes.readUInt32BE(at + 17))
      throw new ConnectorError('KAFKA_CORRUPT_BATCH', true, `reading the record batch at offset ${baseOffset}: its CRC does not match`)
    leaderEpoch = bytes.readInt32BE(at + 12)
    if (nextOffset === undefined) firstLeaderEpoch = leaderEpoch
    transactional ||= (bytes.readInt16BE(at + 21) & (TRANSACTIONAL | CONTROL)) !== 0
    await decodeBatch(bytes, at, end, records)
    nextOffset = baseOffset + BigInt(bytes.readInt32BE(at + 23)) + 1n
    at = end
  }
  return { records, nextOffset, firstLeaderEpoch, leaderEpoch, transactional }
}

async function decodeBatch(bytes: Buffer, start: number, end: number, records: FetchedRecord[]): Promise<void> {
  const attributes = bytes.readInt16BE(start + 21)
  const baseOffset = bytes.readBigInt64BE(start)
  const firstTimestamp = Number(bytes.readBigInt64BE(start + 27))
  const logAppendTime = (attributes & 0x08) !== 0 ? Number(bytes.readBigInt64BE(start + 35)) : undefined
  const isControlRecord = (attributes & CONTROL) !== 0
  const codec = lookupCodecByAttributes(attributes)
  const body = codec === null ? bytes : await codec.decompress(bytes.subarray(start + OVERHEAD, end))
  const batchContext = {
    producerId: bytes.readBigInt64BE(start + 43).toString(),
    inTransaction: (attributes & TRANSACTIONAL) !== 0,
    headers: new HeadersReader(body),
  }
  const reader = new VarintReader(body, codec === null ? start + OVERHEAD : 0)
  for (let left = bytes.readInt32BE(start + 57); left > 0; left--) {
    const next = reader.read()
    const recordEnd = reader.at + next
    reader.at++
    const delta = reader.read()
    const offset = baseOffset + BigInt(reader.read())
    const key = reader.bytes()
    const value = reader.bytes()
    const headersAt = reader.at >= recordEnd || body[reader.at] === 0 ? NO_HEADERS : reader.at
    const timestampMs = logAppendTime ?? firstTimestamp + delta
    records.push(new FetchedRecord(key, value, offset, timestampMs, isControlRecord, batchContext, headersAt))
    reader.at = recordEnd
  }
}
