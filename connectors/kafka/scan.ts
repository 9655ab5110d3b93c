import { randomBytes } from 'node:crypto'
import type { ConsumerName, Topic } from '../../processors/contract.ts'
import type { ConsumedBatch, Extent, Log, Position } from '../contract.ts'
import { KAFKAJS, type KafkaClient, openAdmin } from './client.ts'
import { GroupConsumer } from './consumer.ts'
import { openTopicLogs } from './topic-logs.ts'

export type { Extent }

export interface ScanOptions {
  readonly kafka: KafkaClient
  readonly topic: Topic
  /** What to read, as `topicExtents` gave it, or parts of it. */
  readonly extents: readonly Extent[]
  readonly log: Log
  readonly signal: AbortSignal
  /**
   * Takes records in order of their offsets within a partition, one call at a time. If it rejects,
   * the scan ends.
   */
  readonly handle: (batch: ConsumedBatch) => Promise<void>
}

const SESSION_TIMEOUT_MS = 30_000
/** What names of scans' groups begin with: who scans needs Read and Delete on such groups. */
export const SCAN_GROUPS = 'millrace-scan-'

/** Where a topic's partitions begin and end now. */
export async function topicExtents(kafka: KafkaClient, topic: Topic): Promise<readonly Extent[]> {
  await using logs = openTopicLogs(kafka)
  return await logs.extents(topic)
}

/**
 * Reads records of a topic once, without a trace: a consumer group of its own that commits nothing
 * and is deleted afterwards. Records that are written meanwhile are not read. Waits through outages
 * of Kafka.
 */
export async function scanTopic({ kafka, topic, extents, log, signal, handle }: ScanOptions): Promise<void> {
  const open = new Map(extents.filter(({ earliest, end }) => end > earliest).map((extent) => [extent.partition, extent]))
  if (open.size === 0) return
  const group = `${SCAN_GROUPS}${randomBytes(6).toString('hex')}` as ConsumerName
  let finish: () => void = () => undefined
  let fail: (cause: unknown) => void = () => undefined
  const finished = new Promise<void>((resolve, reject) => {
    finish = resolve
    fail = reject
  })
  const aborted = (): void => fail(signal.reason)
  signal.addEventListener('abort', aborted, { once: true })
  let turn: Promise<void> = Promise.resolve()

  async function take(batch: ConsumedBatch): Promise<void> {
    const extent = open.get(batch.partition)
    if (extent === undefined) return
    const records = batch.records.filter(({ offset }) => offset < extent.end)
    if (records.length > 0) await handle({ ...batch, records })
    leave({ ...extent, earliest: batch.nextOffset })
  }

  /** Notes what is yet to be read of a partition. */
  function leave(extent: Extent): void {
    if (extent.earliest < extent.end) open.set(extent.partition, extent)
    else open.delete(extent.partition)
    if (open.size === 0) finish()
  }

  /** Where to go on. It does not wait for records that were deleted, or that the log has lost. */
  async function claim(): Promise<readonly Position[]> {
    const now = new Map((await logs.extents(topic)).map((extent) => [extent.partition, extent]))
    for (const { partition, earliest, end } of [...open.values()]) {
      const there = now.get(partition) ?? { earliest: end, end }
      leave({
        partition,
        earliest: there.earliest > earliest ? there.earliest : earliest,
        end: there.end < end ? there.end : end,
      })
    }
    return [...open.values()].map(({ partition, earliest }) => ({ topic, partition, nextOffset: earliest, leaderEpoch: -1 }))
  }

  await using logs = openTopicLogs(kafka)

  const quiet: Log = { ...log, info: () => undefined }
  const consumer = new GroupConsumer({
    kafka,
    group,
    topics: [topic],
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
    log: quiet,
    signal,
    counters: { rebalances: 0 },
    logs,
    noticed: () => undefined,
  })
  try {
    await consumer.run({
      claim,
      handle: (batch) => {
        turn = turn.then(() => take(batch))
        turn = turn.catch(fail)
        return turn
      },
    })
    signal.throwIfAborted()
    await Promise.race([finished, consumer.failed])
  } finally {
    signal.removeEventListener('abort', aborted)
    await consumer[Symbol.asyncDispose]()
    await forget(kafka, group, log)
  }
}

async function forget(kafka: KafkaClient, group: string, log: Log): Promise<void> {
  await using admin = openAdmin(kafka)
  try {
    await (await admin[KAFKAJS]()).deleteGroups([group])
  } catch (cause) {
    // Kafka forgets an empty group by itself.
    log.info('the group of the scan was not deleted', { group, cause: String(cause) })
  }
}
