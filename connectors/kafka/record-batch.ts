import type { RecordHeaders } from '../../processors/contract.ts'
import { crc32c } from './crc32c.ts'
import { encodeHeaders } from './record-headers.ts'
import { varintSize, writeVarint } from './varint.ts'

/** What a record batch holds of one record. */
export interface BatchRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** Milliseconds since 1970. */
  readonly timestamp: number
  readonly headers?: RecordHeaders | undefined
}

/** The idempotent producer's identity, and the sequence number of the batch's first record. */
export interface ProducerState {
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly firstSequence: number
}

/**
 * Bytes before the first record: base offset 8, length 4, leader epoch 4, magic 1, CRC 4, then what
 * the CRC covers.
 */
const HEADER = 61
const CRC_FROM = 21
/**
 * Longest head of a record: length 5, attributes 1, timestamp 10, offset 5, key length 5, value
 * length 5, a header count of 0.
 */
const RECORD_HEAD = 32

/**
 * A Kafka record batch, magic 2, uncompressed (Kafka protocol guide, "Record Batch"). At least one
 * record.
 */
export function encodeRecordBatch(records: readonly BatchRecord[], producer: ProducerState): Buffer {
  let bound = HEADER
  let first = Number.POSITIVE_INFINITY
  let latest = Number.NEGATIVE_INFINITY
  for (const record of records) {
    bound += RECORD_HEAD + (record.key?.length ?? 0) + (record.value?.length ?? 0)
    if (record.headers !== undefined) bound += encodeHeaders(record.headers).length
    if (record.timestamp < first) first = record.timestamp
    if (record.timestamp > latest) latest = record.timestamp
  }
  const batch = Buffer.allocUnsafe(bound)
  let at = HEADER
  for (let index = 0; index < records.length; index++) at = writeRecord(batch, at, records[index] as BatchRecord, index, first)
  batch.writeBigInt64BE(0n, 0)
  batch.writeInt32BE(at - 12, 8)
  batch.writeInt32BE(0, 12)
  batch.writeInt8(2, 16)
  batch.writeInt16BE(0, 21)
  batch.writeInt32BE(records.length - 1, 23)
  batch.writeBigInt64BE(BigInt(first), 27)
  batch.writeBigInt64BE(BigInt(latest), 35)
  batch.writeBigInt64BE(producer.producerId, 43)
  batch.writeInt16BE(producer.producerEpoch, 51)
  batch.writeInt32BE(producer.firstSequence, 53)
  batch.writeInt32BE(records.length, 57)
  batch.writeUInt32BE(crc32c(batch, CRC_FROM, at), 17)
  return batch.subarray(0, at)
}

function writeRecord(batch: Buffer, start: number, record: BatchRecord, index: number, firstTimestamp: number): number {
  const { key, value } = record
  const headers = record.headers === undefined ? undefined : encodeHeaders(record.headers)
  const delta = record.timestamp - firstTimestamp
  const body =
    1 +
    (headers?.length ?? 1) +
    varintSize(delta) +
    varintSize(index) +
    varintSize(key === null ? -1 : key.length) +
    varintSize(value === null ? -1 : value.length) +
    (key?.length ?? 0) +
    (value?.length ?? 0)
  let at = writeVarint(batch, start, body)
  batch[at++] = 0
  at = writeVarint(batch, at, delta)
  at = writeVarint(batch, at, index)
  at = writeBytes(batch, at, key)
  at = writeBytes(batch, at, value)
  if (headers !== undefined) return copyBytes(batch, at, headers)
  batch[at++] = 0
  return at
}

function writeBytes(batch: Buffer, start: number, bytes: Buffer | null): number {
  if (bytes === null) return writeVarint(batch, start, -1)
  return copyBytes(batch, writeVarint(batch, start, bytes.length), bytes)
}

function copyBytes(batch: Buffer, at: number, bytes: Buffer): number {
  // Below about 40 bytes a loop beats the call into the runtime's memory copy.
  if (bytes.length < 40) for (let index = 0; index < bytes.length; index++) batch[at + index] = bytes[index] as number
  else batch.set(bytes, at)
  return at + bytes.length
}
