/**
 * kafkajs 2.2.4 with four of its inner modules replaced before it loads. It costs 14–20 µs to
 * encode a record, groups records by partition in quadratic time, and decodes one in 3 µs. Measured
 * with these: 1.8 µs of CPU to send a record, 2.5 µs to consume one (joining the group included).
 * The version is pinned (it was last released in 2023), and the pipeline tests are the contract
 * test: every record they see went through these.
 */
import { createRequire } from 'node:module'
import type * as KafkaJs from 'kafkajs'
import type { RecordHeaders } from '../../processors/contract.ts'
import { type BrokerParts, mindBrokersAway } from './brokers-away.ts'
import { FetchedBatch } from './fetched-batch.ts'
import { decodeRecordBatches, type FetchedRecords } from './fetched-records.ts'
import { type BatchRecord, encodeRecordBatch } from './record-batch.ts'

const require = createRequire(import.meta.url)

interface Encoder {
  readonly buffer: Buffer
  writeString(text: string | null): this
  writeInt16(value: number): this
  writeInt32(value: number): this
  writeBufferInternal(bytes: Buffer): void
}

interface Decoder {
  readInt32(): number
  readBytes(length: number): Buffer
  canReadBytes(length: number): boolean
}

interface PreparedMessage {
  readonly key?: Buffer | null
  readonly value: Buffer | null
  readonly timestamp?: number
  readonly headers?: RecordHeaders | undefined
}

interface ProduceArguments {
  readonly acks: number
  readonly timeout: number
  readonly transactionalId?: string | null
  readonly producerId: { toString(): string } | number
  readonly producerEpoch: number
  readonly topicData: readonly {
    readonly topic: string
    readonly partitions: readonly {
      readonly partition: number
      readonly firstSequence?: number
      readonly messages: readonly PreparedMessage[]
    }[]
  }[]
}

interface GroupArguments {
  readonly messages: readonly { readonly partition: number }[]
}

interface Pool {
  getNodeIds(): readonly string[]
  findBroker(node: { readonly nodeId: string }): Promise<unknown>
  withBroker<Answer>(callback: (node: { readonly nodeId: string; readonly broker: unknown }) => Promise<Answer>): Promise<Answer>
}

interface PendingRequests {
  readonly pending: readonly unknown[]
  scheduleCheckPendingRequests(): void
}

interface IncomingData {
  chunks: readonly Buffer[]
  readonly bytesBuffered: number
  processData(data: Buffer): void
}

interface Group {
  readonly instrumentationEmitter: { emit(event: string, payload: object): void }
  readonly subscriptionState: { paused(): readonly unknown[] }
  /** Milliseconds: the longest wait of a fetch, and the pause if there is nothing to fetch. */
  maxWaitTime: number
  readonly minBytes: number
  fetch(nodeId: string): Promise<unknown>
  pause(partitions: readonly { readonly topic: string; readonly partitions: readonly number[] }[]): void
  recoverFromOffsetOutOfRange(error: { readonly topic: string; readonly partition: number }): Promise<void>
}

interface Committer {
  readonly running: boolean
  readonly consumerGroup: { commitOffsets(offsets: unknown): Promise<void> }
  commitOffsets(offsets: unknown): Promise<void>
}

type Lookup = (...request: readonly unknown[]) => unknown

const Broker = require('kafkajs/src/broker') as { readonly prototype: object }
const BrokerPool = require('kafkajs/src/cluster/brokerPool') as { readonly prototype: Pool }
const { KafkaJSBrokerNotFound } = require('kafkajs/src/errors') as {
  readonly KafkaJSBrokerNotFound: new (message: string, options: { readonly cause: unknown }) => Error
}
const { createErrorFromCode } = require('kafkajs/src/protocol/error') as { readonly createErrorFromCode: (code: number) => Error }
const KafkaConnection = require('kafkajs/src/network/connection') as { readonly prototype: IncomingData }
const RequestQueue = require('kafkajs/src/network/requestQueue') as { readonly prototype: PendingRequests }
const EncoderClass = require('kafkajs/src/protocol/encoder') as new (size?: number) => Encoder
const { Produce } = require('kafkajs/src/protocol/requests/apiKeys') as { Produce: number }

/**
 * Produce request, version 7 (Kafka protocol guide). Compression is not supported: frames are dense
 * already.
 */
function produceRequest({ acks, timeout, transactionalId = null, producerId, producerEpoch, topicData }: ProduceArguments): unknown {
  return {
    apiKey: Produce,
    apiVersion: 7,
    apiName: 'Produce',
    expectResponse: () => acks !== 0,
    encode: async () => {
      const encoder = new EncoderClass(64 * 1024)
        .writeString(transactionalId)
        .writeInt16(acks)
        .writeInt32(timeout)
        .writeInt32(topicData.length)
      for (const { topic, partitions } of topicData) {
        encoder.writeString(topic).writeInt32(partitions.length)
        for (const { partition, firstSequence = 0, messages } of partitions) {
          const batch = encodeRecordBatch(messages.map(batchRecord), {
            producerId: BigInt(producerId.toString()),
            producerEpoch,
            firstSequence,
          })
          encoder.writeInt32(partition).writeInt32(batch.length).writeBufferInternal(batch)
        }
      }
      return encoder
    },
  }
}

function batchRecord({ key = null, value, timestamp = Date.now(), headers }: PreparedMessage): BatchRecord {
  return { key, value, timestamp, headers }
}

/** Groups by the partition that each message names. */
function groupByPartition({ messages }: GroupArguments): Record<number, unknown[]> {
  const groups: Record<number, unknown[]> = {}
  for (const message of messages) {
    const group = groups[message.partition]
    if (group === undefined) groups[message.partition] = [message]
    else group.push(message)
  }
  return groups
}

const NOTHING: FetchedRecords = { records: [], nextOffset: undefined, firstLeaderEpoch: -1, leaderEpoch: -1, transactional: false }

async function decodeMessages(decoder: Decoder): Promise<FetchedRecords> {
  const size = decoder.readInt32()
  return size <= 0 || !decoder.canReadBytes(size) ? NOTHING : decodeRecordBatches(decoder.readBytes(size))
}

function replace(module: string, replacement: unknown): void {
  const path = require.resolve(module)
  require(path)
  const cached = require.cache[path]
  if (cached === undefined) throw new Error(`kafkajs has no module ${module}: version 2.2.4 is needed`)
  cached.exports = replacement
}

/** The one that the replacements below are written for; package.json asks for no other. */
export const KAFKAJS_VERSION = '2.2.4'
const { version } = require('kafkajs/package.json') as { version: string }
if (version !== KAFKAJS_VERSION)
  throw new Error(`kafkajs ${KAFKAJS_VERSION} is needed, found ${version}: connectors/kafka replaces parts of it`)
replace('kafkajs/src/protocol/requests/produce/v7/request.js', produceRequest)
replace('kafkajs/src/producer/groupMessagesPerPartition.js', groupByPartition)
replace('kafkajs/src/protocol/requests/fetch/v4/decodeMessages.js', decodeMessages)
replace('kafkajs/src/consumer/batch.js', FetchedBatch)

/**
 * Event of a consumer: a fetch asked for an offset that the log does not have. The partition is
 * paused then.
 */
export const OFFSET_OUT_OF_RANGE = 'consumer.offset_out_of_range'
const { events } = require('kafkajs/src/consumer/instrumentationEvents') as { readonly events: Record<string, string> }
// kafkajs takes no listener for an event that is not in its list.
events.OFFSET_OUT_OF_RANGE = OFFSET_OUT_OF_RANGE

/**
 * kafkajs goes to the earliest offset, and commits it, without a word to anybody. What is right
 * depends on the cause: retention deleted what was to be read, the log was cut below what was read,
 * or the topic is another one.
 */
// It is loaded only now, because it keeps the batch class that it finds: ours must be there.
const ConsumerGroup = require('kafkajs/src/consumer/consumerGroup') as { readonly prototype: Group }
ConsumerGroup.prototype.recoverFromOffsetOutOfRange = async function tellOutOfRange({ topic, partition }) {
  this.pause([{ topic, partitions: [partition] }])
  this.instrumentationEmitter.emit(OFFSET_OUT_OF_RANGE, { topic, partition })
}

/** Longest wait of a fetch, in milliseconds, while a partition is paused. */
const LOOK_WHILE_PAUSED_MS = 100
const longestWaits = new WeakMap<Group, number>()

/**
 * kafkajs notices that a partition was resumed when the fetch under way is over. So a fetch may
 * take its time only while none is paused, or if it is in no hurry.
 */
const { fetch } = ConsumerGroup.prototype
ConsumerGroup.prototype.fetch = function fetchBriefly(nodeId) {
  const longest = longestWaits.get(this) ?? this.maxWaitTime
  longestWaits.set(this, longest)
  const hurried = this.minBytes === 1 && this.subscriptionState.paused().length > 0
  this.maxWaitTime = hurried ? Math.min(longest, LOOK_WHILE_PAUSED_MS) : longest
  return fetch.call(this, nodeId)
}

/**
 * kafkajs asks one broker after another and swallows why each failed. It returns nothing, which its
 * callers turn into an error that is not retriable, or into a TypeError: a consumer or a service
 * that met a restarting Kafka ended. Here the error says what happened: no broker could be asked.
 */
BrokerPool.prototype.withBroker = async function withBroker(callback) {
  let failure: unknown
  const ids = this.getNodeIds()
  const first = Math.floor(Math.random() * ids.length)
  for (const nodeId of [...ids.slice(first), ...ids.slice(0, first)]) {
    try {
      return await callback({ nodeId, broker: await this.findBroker({ nodeId }) })
    } catch (cause) {
      failure = cause
    }
  }
  throw refusalIn(failure) ?? new KafkaJSBrokerNotFound('no broker could be asked', { cause: failure })
}

/** What a broker answered to a user who may not: it was asked, and waiting does not help. */
function refusalIn(failure: unknown): Error | undefined {
  for (let error = failure; error instanceof Error; error = error.cause)
    if (/_AUTHORIZATION_FAILED$/.test((error as { readonly type?: string }).type ?? '')) return error
  return undefined
}

/**
 * kafkajs looks every millisecond, on each connection, whether a request waits: its time to the
 * next look is negative if nothing throttles (kafkajs issues 1556, 1704, 1751). A service at rest
 * spent a third of its CPU on that. What makes a request wait also asks for a look, so none is
 * needed before.
 */
const checkLater = RequestQueue.prototype.scheduleCheckPendingRequests
RequestQueue.prototype.scheduleCheckPendingRequests = function scheduleCheckPendingRequests() {
  if (this.pending.length > 0) checkLater.call(this)
}

/**
 * kafkajs puts the rest of the response before, even if it is empty, in front of each response, and
 * so copies it.
 */
const { processData } = KafkaConnection.prototype
KafkaConnection.prototype.processData = function processWholeResponse(data) {
  if (this.bytesBuffered === 0) this.chunks = []
  processData.call(this, data)
}

/**
 * kafkajs tries each failed commit again for as long as the consumer runs. After an outage an old
 * commit came after newer ones, and put the offsets back. And if a consumer drops a commit while it
 * is restarted, kafkajs says nothing. Here a commit is one attempt; the caller makes the next.
 */
const Runner = require('kafkajs/src/consumer/runner') as { readonly prototype: Committer }
Runner.prototype.commitOffsets = async function commitOnce(offsets) {
  if (!this.running) throw new Error('the consumer is not running')
  await this.consumerGroup.commitOffsets(offsets)
}

const lookups = new WeakMap<object, Lookup>()

/**
 * A request over a connection that ended a moment ago throws a plain Error, which no retry of
 * kafkajs takes for an outage: consumers ended by it. The function that throws it is what kafkajs
 * sets in place of the broker's list of requests.
 */
Object.defineProperty(Broker.prototype, 'lookupRequest', {
  get(this: object): Lookup | undefined {
    return lookups.get(this)
  },
  set(this: object, lookup: Lookup) {
    lookups.set(this, lookup.name === 'notInitializedLookup' ? notConnected : lookup)
  },
})

function notConnected(): never {
  throw new KafkaJSBrokerNotFound('the broker is not connected', { cause: undefined })
}

const { KafkaJSConnectionClosedError } = require('kafkajs/src/errors') as {
  readonly KafkaJSConnectionClosedError: BrokerParts['ClosedError']
}
const { Metadata } = require('kafkajs/src/protocol/requests/apiKeys') as { readonly Metadata: number }
mindBrokersAway({
  BrokerPool: require('kafkajs/src/cluster/brokerPool') as BrokerParts['BrokerPool'],
  Connection: require('kafkajs/src/network/connection') as BrokerParts['Connection'],
  ConsumerGroup: require('kafkajs/src/consumer/consumerGroup') as BrokerParts['ConsumerGroup'],
  ClosedError: KafkaJSConnectionClosedError,
  metadata: {
    apiKey: Metadata,
    definition: (require('kafkajs/src/protocol/requests') as { readonly requests: { readonly Metadata: unknown } }).requests.Metadata,
  },
})

const kafkajs = require('kafkajs') as typeof KafkaJs

export { createErrorFromCode }
export const { AssignerProtocol, Kafka, KafkaJSError, KafkaJSProtocolError, logLevel } = kafkajs
