import type { KafkaRecord, RecordHeaders } from '../../processors/contract.ts'
import { ConnectorError } from '../contract.ts'
import { crc32c } from './crc32c.ts'
import { decompress, MOST_BYTES, UnreadableBatch } from './decompress.ts'
import { HeadersReader } from './record-headers.ts'
import { VarintReader } from './varint.ts'

/**
 * What kafkajs needs to know about a record's batch, whether the record is of a transaction, and
 * what decodes its headers.
 */
interface BatchContext {
  readonly producerId: string
  readonly inTransaction: boolean
  readonly headers: HeadersReader
}

/** Stands for the place of the headers if a record has none. */
const NO_HEADERS = -1

/**
 * A record as fetched: what processors see, and what kafkajs needs to skip control records and
 * aborted transactions.
 */
export class FetchedRecord implements KafkaRecord {
  declare readonly unreadable?: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly offset: bigint
  readonly timestampMs: number
  readonly isControlRecord: boolean
  readonly batchContext: BatchContext
  /** Where the headers are. They are decoded only if somebody looks at them. */
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

/**
 * Stands for a batch that cannot be read, or for the rest of one, at its last offset. So a consumer
 * gets past it, and can say what it was.
 */
export class UnreadableRecord extends FetchedRecord {
  override readonly unreadable: string

  constructor(offset: bigint, timestampMs: number, batchContext: BatchContext, unreadable: string) {
    super(null, null, offset, timestampMs, false, batchContext, NO_HEADERS)
    this.unreadable = unreadable
  }
}

const OVERHEAD = 61
const LENGTH_COVERS_FROM = 12
const MAGIC = 2
/** Up to the magic byte. */
const OLD_OVERHEAD = 17
/** Attributes of a batch. */
const TRANSACTIONAL = 0x10
const CONTROL = 0x20

/** What one fetch brought of a partition. */
export interface FetchedRecords {
  readonly records: FetchedRecord[]
  /**
   * Offset after the last batch; undefined if there is no batch. Batches may have no records, if
   * compaction took them.
   */
  readonly nextOffset: bigint | undefined
  /** Epochs of the leaders that wrote the first and the last batch; -1 if there is no batch. */
  readonly firstLeaderEpoch: number
  readonly leaderEpoch: number
  /** Whether some are of a transaction, or its marker. */
  readonly transactional: boolean
}

/**
 * How often a batch is read whose CRC does not match: it may have been damaged on its way. After
 * that it is taken to be damaged in the log.
 */
const CRC_ATTEMPTS = 3
/** How often each damaged batch was read, by offset and CRC. */
const damaged = new Map<string, number>()
const MOST_DAMAGED = 1_000

/**
 * Decodes the record batches of a fetch response (Kafka protocol guide, "Record Batch", magic 2). A
 * last batch that the response cut off is left for the next fetch. So is what comes after
 * `MOST_BYTES` of decompressed records. Keys and values are views of the response. A batch that
 * cannot be read becomes one record that says why: an error would stop all partitions, again and
 * again.
 * @throws ConnectorError `KAFKA_CORRUPT_BATCH`, transient, if a CRC does not match for the first
 *   times
 */
export async function decodeRecordBatches(bytes: Buffer): Promise<FetchedRecords> {
  const records: FetchedRecord[] = []
  let nextOffset: bigint | undefined
  let [firstLeaderEpoch, leaderEpoch] = [-1, -1]
  let transactional = false
  let at = 0
  let decompressed = 0
  while (at + OLD_OVERHEAD <= bytes.length && decompressed < MOST_BYTES) {
    const end = at + LENGTH_COVERS_FROM + bytes.readInt32BE(at + 8)
    if (end > bytes.length) break
    const batch = bytes.subarray(at, end)
    const isOld = isOldFormat(batch)
    leaderEpoch = isOld ? -1 : batch.readInt32BE(12)
    if (nextOffset === undefined) firstLeaderEpoch = leaderEpoch
    transactional ||= !isOld && (batch.readInt16BE(21) & (TRANSACTIONAL | CONTROL)) !== 0
    decompressed += await readBatch(batch, records)
    nextOffset = lastOffset(batch) + 1n
    at = end
  }
  return { records, nextOffset, firstLeaderEpoch, leaderEpoch, transactional }
}

/**
 * Appends the records of a batch. Returns the bytes that they take in memory beside the response.
 */
async function readBatch(batch: Buffer, records: FetchedRecord[]): Promise<number> {
  let body = batch
  try {
    checkFormat(batch)
    const decompressed = await decompress(batch.readInt16BE(21), batch.subarray(OVERHEAD))
    body = decompressed ?? batch
    readRecords(batch, body, decompressed === undefined ? OVERHEAD : 0, records)
  } catch (cause) {
    if (!(cause instanceof UnreadableBatch)) throw cause
    const [first, last] = [batch.readBigInt64BE(0), lastOffset(batch)]
    const why = `the batch of offsets ${first} to ${last} (${batch.length} bytes) cannot be read: ${cause.message}`
    const timestamp = isOldFormat(batch) ? 0 : Number(batch.readBigInt64BE(35))
    const context = isOldFormat(batch)
      ? { producerId: '-1', inTransaction: false, headers: new HeadersReader(batch) }
      : contextOf(batch, body)
    records.push(new UnreadableRecord(last, Math.max(0, timestamp), context, why))
  }
  return body === batch ? 0 : body.length
}

function isOldFormat(batch: Buffer): boolean {
  return batch.readInt8(16) !== MAGIC || batch.length < OVERHEAD
}

/** A batch of the old format has one offset: that of its last record. */
function lastOffset(batch: Buffer): bigint {
  return batch.readBigInt64BE(0) + (isOldFormat(batch) ? 0n : BigInt(batch.readInt32BE(23)))
}

function checkFormat(batch: Buffer): void {
  if (isOldFormat(batch)) throw new UnreadableBatch(`its format is older than Kafka 0.11: magic ${batch.readInt8(16)}, expected ${MAGIC}`)
  const crc = batch.readUInt32BE(17)
  if (crc32c(batch, 21, batch.length) === crc) return
  const offset = batch.readBigInt64BE(0)
  const name = `${offset} ${crc} ${batch.length}`
  const attempts = (damaged.get(name) ?? 0) + 1
  if (damaged.size >= MOST_DAMAGED) damaged.clear()
  damaged.set(name, attempts)
  if (attempts < CRC_ATTEMPTS)
    throw new ConnectorError('KAFKA_CORRUPT_BATCH', true, `reading the record batch at offset ${offset}: its CRC does not match`)
  throw new UnreadableBatch(`its CRC does not match, ${attempts} times`)
}

function contextOf(batch: Buffer, body: Buffer): BatchContext {
  return {
    producerId: batch.readBigInt64BE(43).toString(),
    inTransaction: (batch.readInt16BE(21) & TRANSACTIONAL) !== 0,
    headers: new HeadersReader(body),
  }
}

/**
 * @throws UnreadableBatch if the bytes end before the records do. The records before that have been
 *   appended
 */
function readRecords(batch: Buffer, body: Buffer, start: number, records: FetchedRecord[]): void {
  const attributes = batch.readInt16BE(21)
  const baseOffset = batch.readBigInt64BE(0)
  const firstTimestamp = Number(batch.readBigInt64BE(27))
  const logAppendTime = (attributes & 0x08) !== 0 ? Number(batch.readBigInt64BE(35)) : undefined
  const isControlRecord = (attributes & CONTROL) !== 0
  const batchContext = contextOf(batch, body)
  const reader = new VarintReader(body, start)
  for (let left = batch.readInt32BE(57); left > 0; left--) {
    if (reader.at >= body.length) throw new UnreadableBatch(`it ends ${left} records too soon`)
    const next = reader.read()
    const recordEnd = reader.at + next
    if (next < 0 || recordEnd > body.length) throw new UnreadableBatch(`a record of ${next} bytes does not fit into it`)
    reader.at++
    const delta = reader.read()
    const offset = baseOffset + BigInt(reader.read())
    const key = reader.bytes()
    const value = reader.bytes()
    if (reader.at > recordEnd) throw new UnreadableBatch('the key and the value of a record do not fit into it')
    const headersAt = reader.at >= recordEnd || body[reader.at] === 0 ? NO_HEADERS : reader.at
    const timestampMs = logAppendTime ?? firstTimestamp + delta
    records.push(new FetchedRecord(key, value, offset, timestampMs, isControlRecord, batchContext, headersAt))
    reader.at = recordEnd
  }
}
