import type { KafkaRecord, Topic } from '../../processors/contract.ts'
import { ConnectorError } from '../contract.ts'
import type { KafkaClient } from './client.ts'
import type { FetchedRecords } from './fetched-records.ts'
import { KafkaJSProtocolError } from './kafkajs.ts'
import { kafkaError } from './outage.ts'
import { type Cluster, createCluster } from './raw-requests.ts'
import { topicExtents } from './scan.ts'

/** Reads single records again, by their offsets. */
export interface RecordReader extends AsyncDisposable {
  /**
   * The records of one partition at these offsets, which ascend. Records that Kafka no longer has
   * are left out.
   * @throws ConnectorError, transient if Kafka is not there
   */
  read(topic: Topic, partition: number, offsets: readonly bigint[]): Promise<ReadonlyMap<bigint, KafkaRecord>>
  /**
   * The records of one partition from one offset up to, not including, another, in order, a fetch
   * at a time. It passes over what Kafka no longer has.
   * @throws ConnectorError, transient if Kafka is not there: go on from the last offset
   */
  readRange(topic: Topic, partition: number, from: bigint, end: bigint): AsyncGenerator<readonly KafkaRecord[]>
}

const FETCH_BYTES = 1_000_000
const FETCH_WAIT_MS = 100
const READ_UNCOMMITTED = 0
const NO_REPLICA = -1

/**
 * Fetches without a consumer group: a group's assignment and its heartbeats cost seconds for
 * records that take a request.
 * @param fetchBytes most bytes of a fetch; a larger batch of records comes alone, so that with 1
 *   each fetch brings one batch
 */
export function createRecordReader(kafka: KafkaClient, fetchBytes = FETCH_BYTES): RecordReader {
  let open: Promise<Cluster> | undefined

  async function connect(): Promise<Cluster> {
    const cluster = createCluster(kafka)
    await cluster.connect()
    return cluster
  }

  async function fetch(topic: Topic, partition: number, from: bigint): Promise<FetchedRecords | undefined> {
    open ??= connect()
    const cluster = await open
    await cluster.addMultipleTargetTopics([topic])
    const [leader] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))
    if (leader === undefined) return undefined
    const broker = await cluster.findBroker({ nodeId: leader })
    const { responses } = await broker.fetch({
      replicaId: NO_REPLICA,
      isolationLevel: READ_UNCOMMITTED,
      maxWaitTime: FETCH_WAIT_MS,
      minBytes: 1,
      maxBytes: fetchBytes,
      topics: [{ topic, partitions: [{ partition, fetchOffset: from.toString(), maxBytes: fetchBytes }] }],
    })
    return responses[0]?.partitions[0]?.messages
  }

  return {
    async read(topic, partition, offsets) {
      try {
        return await readAll(topic, partition, offsets)
      } catch (cause) {
        if (isOutOfRange(cause)) return await readAll(topic, partition, await present(topic, partition, offsets))
        // The next attempt asks for the partition's leader anew.
        await close()
        throw kafkaError(`reading records of ${topic}/${partition} again`, cause)
      }
    },
    async *readRange(topic, partition, from, end) {
      for (let next = from; next < end; ) {
        let fetched: FetchedRecords | undefined
        try {
          fetched = await fetch(topic, partition, next)
        } catch (cause) {
          if (!isOutOfRange(cause)) {
            await close()
            throw kafkaError(`reading ${topic}/${partition} from ${next}`, cause)
          }
          const extent = (await topicExtents(kafka, topic)).find((each) => each.partition === partition)
          if (extent === undefined || extent.earliest <= next || extent.earliest >= end) return
          next = extent.earliest
          continue
        }
        // Otherwise what is left would look like the end of the range.
        if (fetched === undefined) {
          await close()
          throw new ConnectorError('KAFKA_LEADER_NOT_AVAILABLE', true, `reading ${topic}/${partition} from ${next}: it has no leader now`)
        }
        const began = next
        // Batches come whole, with records on both sides of what was asked for.
        const records = fetched.records.filter(({ offset, isControlRecord }) => !isControlRecord && offset >= began && offset < end)
        if (records.length > 0) yield records
        if (fetched.nextOffset === undefined || fetched.nextOffset <= next) return
        next = fetched.nextOffset
      }
    },
    [Symbol.asyncDispose]: close,
  }

  async function readAll(topic: Topic, partition: number, offsets: readonly bigint[]): Promise<ReadonlyMap<bigint, KafkaRecord>> {
    const found = new Map<bigint, KafkaRecord>()
    for (let next = 0; next < offsets.length; ) {
      const from = offsets[next] as bigint
      const fetched = await fetch(topic, partition, from)
      // Batches come whole. They have records before the offset that was asked for, and between the
      // offsets that were.
      const end = fetched?.nextOffset ?? from + 1n
      for (const record of fetched?.records ?? []) {
        while (next < offsets.length && (offsets[next] as bigint) < record.offset) next++
        if (record.offset === offsets[next]) found.set(offsets[next++] as bigint, record)
      }
      while (next < offsets.length && (offsets[next] as bigint) < end) next++
    }
    return found
  }

  /** The offsets that Kafka still has. */
  async function present(topic: Topic, partition: number, offsets: readonly bigint[]): Promise<readonly bigint[]> {
    const extent = (await topicExtents(kafka, topic)).find((each) => each.partition === partition)
    return offsets.filter((offset) => extent !== undefined && offset >= extent.earliest && offset < extent.end)
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
}

function isOutOfRange(cause: unknown): boolean {
  return cause instanceof KafkaJSProtocolError && cause.type === 'OFFSET_OUT_OF_RANGE'
}
