import type { Topic } from '../../processors/contract.ts'
import { KAFKAJS, type KafkaClient } from './client.ts'
import type { FetchedRecords } from './fetched-records.ts'
import { createErrorFromCode } from './kafkajs.ts'

/** A request that kafkajs does not have, or not in a version that is new enough. */
export interface RawRequest<Answer> {
  readonly apiKey: number
  readonly apiVersion: number
  readonly apiName: string
  /** Everything after the client ID of the header. */
  readonly body: Buffer
  /** @param payload everything after the correlation ID */
  readonly parse: (payload: Buffer) => Answer
}

/** A partition's leader. */
export interface PartitionLeader {
  readonly partition: number
  readonly leader: number
}

/** A topic's metadata. */
export interface TopicMetadata {
  readonly topic: Topic
  /** 32 hexadecimal digits. */
  readonly id: string
  readonly partitions: readonly PartitionLeader[]
}

/** Where an epoch of a partition's leaders ends. */
export interface EpochEnd {
  readonly topic: Topic
  readonly partition: number
  /**
   * The latest epoch in the log that is not after the one that was asked for; -1 if the leader
   * knows no such epoch.
   */
  readonly leaderEpoch: number
  /**
   * First offset of the epochs that follow, or the end of the log; -1 if the leader knows no
   * such epoch.
   */
  readonly endOffset: bigint
}

/** An epoch that is asked about. */
export interface EpochQuestion {
  readonly topic: Topic
  readonly partition: number
  readonly leaderEpoch: number
}

interface Connection {
  send<Answer>(call: { request: unknown; response: unknown }): Promise<Answer>
}

interface Broker {
  readonly connectionPool: { getConnection(): Promise<Connection> }
  fetch(request: {
    readonly replicaId: number
    readonly isolationLevel: number
    readonly maxWaitTime: number
    readonly minBytes: number
    readonly maxBytes: number
    readonly topics: readonly {
      readonly topic: string
      readonly partitions: readonly { readonly partition: number; readonly fetchOffset: string; readonly maxBytes: number }[]
    }[]
  }): Promise<{
    readonly responses: readonly {
      readonly partitions: readonly { readonly partition: number; readonly highWatermark: string; readonly messages: FetchedRecords }[]
    }[]
  }>
}

/** The broker that keeps the offsets of a group. */
export interface Coordinator {
  readonly nodeId: number
  offsetCommit(request: {
    readonly groupId: string
    readonly groupGenerationId: number
    readonly memberId: string
    readonly topics: readonly {
      readonly topic: string
      readonly partitions: readonly { readonly partition: number; readonly offset: string; readonly metadata: string }[]
    }[]
  }): Promise<unknown>
}

/** What is used of kafkajs's cluster: connections, authentication, the addresses of brokers. */
export interface Cluster {
  connect(): Promise<void>
  disconnect(): Promise<void>
  refreshMetadata(): Promise<void>
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>
  findBroker(node: { readonly nodeId: string }): Promise<Broker>
  findGroupCoordinator(group: { readonly groupId: string }): Promise<Coordinator>
  findLeaderForPartitions(topic: string, partitions: readonly number[]): Readonly<Record<string, readonly number[]>>
  getNodeIds(): readonly string[]
  findTopicPartitionMetadata(topic: string): readonly { readonly partitionId: number }[]
  fetchTopicsOffset(
    topics: readonly {
      readonly topic: string
      readonly partitions: readonly { readonly partition: number }[]
      readonly fromBeginning: boolean
    }[],
  ): Promise<readonly { readonly topic: string; readonly partitions: readonly { readonly partition: number; readonly offset: string }[] }[]>
}

/** Dials nothing by itself. */
export function createCluster(kafka: KafkaClient): Cluster {
  const create = Object.getOwnPropertySymbols(kafka[KAFKAJS]).find(({ description }) => description === 'private:Kafka:createCluster')
  const cluster =
    create === undefined
      ? undefined
      : (kafka[KAFKAJS] as unknown as Record<symbol, (options: object) => Cluster>)[create]?.({ allowAutoTopicCreation: false })
  if (cluster === undefined) throw new Error('kafkajs 2.2.4 is needed: this one has no cluster factory')
  return cluster
}

/** Sends a request to a broker, over a connection of kafkajs. */
export async function sendRaw<Answer>(
  cluster: Cluster,
  nodeId: string,
  { apiKey, apiVersion, apiName, body, parse }: RawRequest<Answer>,
): Promise<Answer> {
  const broker = await cluster.findBroker({ nodeId })
  const connection = await broker.connectionPool.getConnection()
  return connection.send({
    request: { apiKey, apiVersion, apiName, encode: async () => asEncoder(body) },
    response: { decode: async (payload: Buffer) => payload, parse: async (payload: Buffer) => parse(payload) },
  })
}

/** What kafkajs takes for an encoder. */
function asEncoder(bytes: Buffer): { buf: Buffer; buffer: Buffer; offset: number; size(): number } {
  return { buf: bytes, buffer: bytes, offset: bytes.length, size: () => bytes.length }
}

const UNKNOWN_TOPIC = 3

/**
 * Metadata of topics; those that do not exist are left out. kafkajs stops at version 6, and topics
 * got IDs with 10 (Kafka protocol guide, "Metadata Request" version 12).
 */
export function metadataRequest(topics: readonly Topic[]): RawRequest<readonly TopicMetadata[]> {
  const names = topics.flatMap((topic) => {
    const name = Buffer.from(topic, 'utf8')
    return [Buffer.alloc(16), unsignedVarint(name.length + 1), name, Buffer.from([0])]
  })
  return {
    apiKey: 3,
    apiVersion: 12,
    apiName: 'Metadata',
    // Tags of the header; the topics, without IDs; no creation, no authorised operations, no tags.
    body: Buffer.concat([Buffer.from([0]), unsignedVarint(topics.length + 1), ...names, Buffer.from([0, 0, 0])]),
    parse: (payload) => {
      const reader = new Reader(payload)
      reader.skip(1 + 4)
      reader.compactArray(() => {
        reader.skip(4)
        reader.compactString()
        reader.skip(4)
        reader.compactString()
        reader.tags()
      })
      reader.compactString()
      reader.skip(4)
      const found = reader.compactArray(() => {
        const error = reader.int16()
        const topic = reader.compactString() as Topic
        const id = reader.bytes(16).toString('hex')
        reader.skip(1)
        const partitions = reader.compactArray(() => {
          reader.skip(2)
          const [partition, leader] = [reader.int32(), reader.int32()]
          reader.skip(4)
          for (let replicas = 0; replicas < 3; replicas++) reader.compactArray(() => reader.skip(4))
          reader.tags()
          return { partition, leader }
        })
        reader.skip(4)
        reader.tags()
        return { error, topic, id, partitions }
      })
      return found.flatMap(({ error, ...topic }) => {
        if (error === UNKNOWN_TOPIC) return []
        if (error !== 0) throw createErrorFromCode(error)
        return [topic]
      })
    },
  }
}

/**
 * Where epochs end in the logs that one broker leads (Kafka protocol guide, "OffsetForLeaderEpoch
 * Request" version 3; KIP-320).
 */
export function epochEndsRequest(questions: readonly EpochQuestion[]): RawRequest<readonly EpochEnd[]> {
  const topics = [...new Set(questions.map(({ topic }) => topic))]
  const parts = [int32(-1), int32(topics.length)]
  for (const topic of topics) {
    const name = Buffer.from(topic, 'utf8')
    const asked = questions.filter((question) => question.topic === topic)
    parts.push(int16(name.length), name, int32(asked.length))
    // Any leader of the partition may answer, so our own knowledge of its current epoch is left
    // out.
    for (const { partition, leaderEpoch } of asked) parts.push(int32(partition), int32(-1), int32(leaderEpoch))
  }
  return {
    apiKey: 23,
    apiVersion: 3,
    apiName: 'OffsetForLeaderEpoch',
    body: Buffer.concat(parts),
    parse: (payload) => {
      const reader = new Reader(payload)
      reader.skip(4)
      return reader
        .array(() => {
          const topic = reader.string() as Topic
          return reader.array(() => {
            const error = reader.int16()
            if (error !== 0) throw createErrorFromCode(error)
            return { topic, partition: reader.int32(), leaderEpoch: reader.int32(), endOffset: reader.int64() }
          })
        })
        .flat()
    },
  }
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function unsignedVarint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  bytes.push(rest)
  return Buffer.from(bytes)
}

/** Reads Kafka's types; methods named `compact` read the compact form. */
class Reader {
  private readonly source: Buffer
  private at = 0
  constructor(source: Buffer) {
    this.source = source
  }

  skip(bytes: number): void {
    this.at += bytes
  }

  int16(): number {
    this.at += 2
    return this.source.readInt16BE(this.at - 2)
  }

  int32(): number {
    this.at += 4
    return this.source.readInt32BE(this.at - 4)
  }

  int64(): bigint {
    this.at += 8
    return this.source.readBigInt64BE(this.at - 8)
  }

  bytes(length: number): Buffer {
    this.at += length
    return this.source.subarray(this.at - length, this.at)
  }

  string(): string {
    return this.bytes(this.int16()).toString('utf8')
  }

  /** Null is the empty text. */
  compactString(): string {
    return this.bytes(Math.max(0, this.unsignedVarint() - 1)).toString('utf8')
  }

  array<Item>(item: () => Item): readonly Item[] {
    return this.items(this.int32(), item)
  }

  compactArray<Item>(item: () => Item): readonly Item[] {
    return this.items(this.unsignedVarint() - 1, item)
  }

  tags(): void {
    for (let left = this.unsignedVarint(); left > 0; left--) {
      this.unsignedVarint()
      this.skip(this.unsignedVarint())
    }
  }

  private items<Item>(count: number, item: () => Item): readonly Item[] {
    const items: Item[] = []
    for (let left = count; left > 0; left--) items.push(item())
    return items
  }

  private unsignedVarint(): number {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.source.readUInt8(this.at++)
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
  }
}
