import type { KafkaRecord, Topic } from '../../processors/contract.ts'
import type { KafkaClient } from './client.ts'
import { KafkaJSProtocolError } from './kafkajs.ts'
import { kafkaError } from './outage.ts'
import { type Cluster, createCluster } from './raw-requests.ts'
import { topicExtents } from './scan.ts'

/** What one round brought of a partition. */
export interface TailPart {
  readonly partition: number
  readonly records: readonly KafkaRecord[]
  /** Records that were passed over because they came faster than they are read. */
  readonly skipped: bigint
}

/**
 * Reads what comes to some partitions of a topic, from the moment on at which they were asked for.
 * Disposing of it closes its connections and forgets how far it was; it may be used again.
 */
export interface TopicTail extends AsyncDisposable {
  /**
   * What came to these partitions since the last round, at once if there is something, else after
   * `waitMs`. A partition that the last round did not have begins at its end.
   * @throws ConnectorError, transient if Kafka is not there; a later round goes on behind the last
   */
  next(partitions: ReadonlySet<number>): Promise<readonly TailPart[]>
}

export interface TopicTailOptions {
  /** Longest wait for a record, in the broker. */
  readonly waitMs: number
  /** Most bytes of a partition in a round; a batch of records always comes whole. */
  readonly partitionBytes: number
  /** A partition with more unread records than this is read from its end on. */
  readonly mostBehind: bigint
}

const READ_UNCOMMITTED = 0
const NO_REPLICA = -1

/**
 * Tails a topic without a consumer group: it leaves no trace, and moves nobody's partitions. Only
 * the partitions asked for are fetched, in one request to each of their leaders.
 */
export function openTopicTail(kafka: KafkaClient, topic: Topic, { waitMs, partitionBytes, mostBehind }: TopicTailOptions): TopicTail {
  /** Offset to go on from, by partition. */
  const positions = new Map<number, bigint>()
  let open: Promise<Cluster> | undefined

  async function connect(): Promise<Cluster> {
    const cluster = createCluster(kafka)
    await cluster.connect()
    return cluster
  }

  async function begin(partitions: ReadonlySet<number>): Promise<void> {
    for (const partition of positions.keys()) if (!partitions.has(partition)) positions.delete(partition)
    if ([...partitions].every((partition) => positions.has(partition))) return
    for (const { partition, end } of await topicExtents(kafka, topic))
      if (partitions.has(partition) && !positions.has(partition)) positions.set(partition, end)
  }

  async function fetch(cluster: Cluster, leader: string, partitions: readonly number[]): Promise<TailPart[]> {
    const broker = await cluster.findBroker({ nodeId: leader })
    const { responses } = await broker.fetch({
      replicaId: NO_REPLICA,
      isolationLevel: READ_UNCOMMITTED,
      maxWaitTime: waitMs,
      minBytes: 1,
      maxBytes: partitionBytes * partitions.length,
      topics: [
        {
          topic,
          partitions: partitions.map((partition) => ({
            partition,
            fetchOffset: String(positions.get(partition)),
            maxBytes: partitionBytes,
          })),
        },
      ],
    })
    return responses.flatMap(({ partitions: fetched }) =>
      fetched.map(({ partition, highWatermark, messages }) => {
        const from = positions.get(partition) ?? 0n
        const [end, read] = [BigInt(highWatermark), messages.nextOffset ?? from]
        const skipped = end - read > mostBehind ? end - read : 0n
        positions.set(partition, read + skipped)
        // Batches come whole, with records before what was asked for.
        return { partition, records: messages.records.filter(({ offset, isControlRecord }) => !isControlRecord && offset >= from), skipped }
      }),
    )
  }

  async function close(): Promise<void> {
    const closing = open
    open = undefined
    await closing?.then(
      (cluster) => cluster.disconnect(),
      // It was never open, and those who waited for it have got the error.
      () => undefined,
    )
  }

  return {
    async next(partitions) {
      try {
        await begin(partitions)
        open ??= connect()
        const cluster = await open
        await cluster.addMultipleTargetTopics([topic])
        const known = [...positions.keys()]
        const leaders = Object.entries(cluster.findLeaderForPartitions(topic, known))
        return (await Promise.all(leaders.map(([leader, led]) => fetch(cluster, leader, led)))).flat()
      } catch (cause) {
        // The log was cut or deleted below a position. From the end on there is something to read.
        if (cause instanceof KafkaJSProtocolError && cause.type === 'OFFSET_OUT_OF_RANGE') positions.clear()
        // The next round asks for the partitions' leaders anew.
        await close()
        throw kafkaError(`following ${topic}`, cause)
      }
    },
    async [Symbol.asyncDispose]() {
      positions.clear()
      await close()
    },
  }
}
