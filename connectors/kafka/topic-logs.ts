import type { Topic } from '../../processors/contract.ts'
import { ConnectorError, type Extent, type KafkaLogs, type Position, type TopicState } from '../contract.ts'
import type { KafkaClient } from './client.ts'
import { judgePosition } from './judge-position.ts'
import { kafkaError } from './outage.ts'
import {
  type Cluster,
  createCluster,
  type EpochEnd,
  epochEndsRequest,
  metadataRequest,
  sendRaw,
  type TopicMetadata,
} from './raw-requests.ts'

/** Uses connections of its own. They are opened when needed, and again after a failure. */
export function openTopicLogs(kafka: KafkaClient): KafkaLogs {
  let opened: Promise<Cluster> | undefined
  let disposed = false

  async function open(): Promise<Cluster> {
    const cluster = createCluster(kafka)
    await cluster.connect()
    await cluster.refreshMetadata()
    return cluster
  }

  async function use<Answer>(doing: string, work: (cluster: Cluster) => Promise<Answer>): Promise<Answer> {
    if (disposed) throw new ConnectorError('disposed', false, `${doing} after its disposal`)
    opened ??= open()
    const mine = opened
    try {
      return await work(await mine)
    } catch (cause) {
      // A leader may have moved, or a connection may be gone. The next call asks anew.
      if (opened === mine) {
        opened = undefined
        void close(mine)
      }
      throw kafkaError(doing, cause)
    }
  }

  return {
    topics: (names) =>
      use(`asking Kafka for topics ${names.join(', ')}`, async (cluster) => {
        const found = await metadata(cluster, names)
        return new Map(found.map(({ topic, id, partitions }): [Topic, TopicState] => [topic, { id, partitions: partitions.length }]))
      }),
    extents: (topic) => use(`asking Kafka where ${topic} begins and ends`, (cluster) => extentsOf(cluster, topic)),
    check: (positions) =>
      use('asking Kafka for what became of positions', async (cluster) => {
        const topics = [...new Set(positions.map(({ topic }) => topic))]
        const extents = new Map<string, Extent>()
        for (const topic of topics) for (const extent of await extentsOf(cluster, topic)) extents.set(key(topic, extent.partition), extent)
        const ends = await epochEnds(cluster, positions, await metadata(cluster, topics))
        return positions.map((position) => {
          const place = key(position.topic, position.partition)
          const extent = extents.get(place)
          if (extent === undefined) throw new ConnectorError('KAFKA_UNKNOWN_PARTITION', true, `Kafka has no partition ${place} now`)
          return judgePosition(position, extent, ends.get(place))
        })
      }),
    async [Symbol.asyncDispose]() {
      disposed = true
      if (opened !== undefined) await close(opened)
    },
  }
}

/**
 * A cluster that could not be opened needs no closing; its error went to the caller. One that does
 * not close is left behind.
 */
async function close(opened: Promise<Cluster>): Promise<void> {
  await opened.then((cluster) => cluster.disconnect()).catch(() => undefined)
}

/** Any broker knows; one that is away must not stand for those that are there. */
async function metadata(cluster: Cluster, topics: readonly Topic[]): Promise<readonly TopicMetadata[]> {
  let failure: unknown = new ConnectorError('KAFKA_NO_BROKER', true, 'no broker is known')
  for (const nodeId of cluster.getNodeIds()) {
    try {
      return await sendRaw(cluster, nodeId, metadataRequest(topics))
    } catch (cause) {
      if (!kafkaError('asking a broker', cause).transient) throw cause
      failure = cause
    }
  }
  throw failure
}

async function extentsOf(cluster: Cluster, topic: Topic): Promise<readonly Extent[]> {
  await cluster.addMultipleTargetTopics([topic])
  await cluster.refreshMetadata()
  const partitions = cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => ({ partition: partitionId }))
  const [latest] = await cluster.fetchTopicsOffset([{ topic, partitions, fromBeginning: false }])
  const [first] = await cluster.fetchTopicsOffset([{ topic, partitions, fromBeginning: true }])
  const earliest = new Map(first?.partitions.map(({ partition, offset }) => [partition, BigInt(offset)]))
  return (latest?.partitions ?? []).map(({ partition, offset }) => ({
    partition,
    earliest: earliest.get(partition) ?? 0n,
    end: BigInt(offset),
  }))
}

/** Where the epochs of these positions end, by partition. It asks each partition's leader. */
async function epochEnds(
  cluster: Cluster,
  positions: readonly Position[],
  topics: readonly TopicMetadata[],
): Promise<ReadonlyMap<string, EpochEnd>> {
  const leaders = new Map(
    topics.flatMap(({ topic, partitions }) => partitions.map(({ partition, leader }) => [key(topic, partition), leader] as const)),
  )
  const byLeader = new Map<number, Position[]>()
  for (const position of positions.filter(({ leaderEpoch }) => leaderEpoch >= 0)) {
    const place = key(position.topic, position.partition)
    const leader = leaders.get(place) ?? -1
    if (leader < 0) throw new ConnectorError('KAFKA_LEADER_NOT_AVAILABLE', true, `${place} has no leader now`)
    byLeader.set(leader, [...(byLeader.get(leader) ?? []), position])
  }
  const ends = new Map<string, EpochEnd>()
  for (const [leader, asked] of byLeader) {
    for (const end of await sendRaw(cluster, String(leader), epochEndsRequest(asked))) ends.set(key(end.topic, end.partition), end)
  }
  return ends
}

function key(topic: string, partition: number): string {
  return `${topic}/${partition}`
}
