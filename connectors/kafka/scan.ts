import { randomBytes } from 'node:crypto'
import type { Admin, Kafka as KafkaClient } from 'kafkajs'
import type { ConsumerName, Topic } from '../../processors/contract.ts'
import type { ConsumedBatch, Log } from '../contract.ts'
import { runConsumer } from './consumer.ts'

/** A partition's records: from the earliest up to, not including, `end`. */
export interface Extent {
  readonly partition: number
  readonly earliest: bigint
  readonly end: bigint
}

export interface ScanOptions {
  readonly kafka: KafkaClient
  readonly topic: Topic
  /** What to read, as `topicExtents` gave it, or parts of it. */
  readonly extents: readonly Extent[]
  readonly log: Log
  readonly signal: AbortSignal
  /** Takes records in order of their offsets within a partition, one call at a time. A rejection ends the scan. */
  readonly handle: (batch: ConsumedBatch) => Promise<void>
}

const SESSION_TIMEOUT_MS = 30_000

/** Where a topic's partitions begin and end now. */
export async function topicExtents(kafka: KafkaClient, topic: Topic): Promise<readonly Extent[]> {
  const admin = kafka.admin()
  await admin.connect()
  try {
    return await readExtents(admin, topic)
  } finally {
    await admin.disconnect()
  }
}

/** The same, over a connection that is there: for whoever asks again and again. */
export async function readExtents(admin: Admin, topic: Topic): Promise<readonly Extent[]> {
  return (await admin.fetchTopicOffsets(topic)).map(({ partition, low, high }) => ({ partition, earliest: BigInt(low), end: BigInt(high) }))
}

/**
 * Reads records of a topic once, without a trace: a consumer group of its own that commits nothing and is deleted afterwards. Records that are
 * written meanwhile are not read. Waits through outages of Kafka.
 */
export async function scanTopic({ kafka, topic, extents, log, signal, handle }: ScanOptions): Promise<void> {
  const open = new Map(extents.filter(({ earliest, end }) => end > earliest).map((extent) => [extent.partition, extent]))
  if (open.size === 0) return
  const group = `millrace-scan-${randomBytes(6).toString('hex')}` as ConsumerName
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
    if (batch.nextOffset >= extent.end) open.delete(batch.partition)
    if (open.size === 0) finish()
  }

  const quiet: Log = { ...log, info: () => undefined }
  const consumer = await runConsumer({
    kafka,
    group,
    topics: [topic],
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
    log: quiet,
    signal,
    counters: { records: 0, rebalances: 0, stale: 0, gaps: 0, lostOffsets: 0 },
    claim: async () => [...open.values()].map(({ partition, earliest }) => ({ topic, partition, nextOffset: earliest })),
    handle: (batch) => {
      turn = turn.then(() => take(batch))
      turn = turn.catch(fail)
      return turn
    },
  })
  try {
    signal.throwIfAborted()
    await Promise.race([finished, consumer.failed])
  } finally {
    signal.removeEventListener('abort', aborted)
    await consumer[Symbol.asyncDispose]()
    await forget(kafka, group, log)
  }
}

async function forget(kafka: KafkaClient, group: string, log: Log): Promise<void> {
  const admin = kafka.admin()
  try {
    await admin.connect()
    await admin.deleteGroups([group])
  } catch (cause) {
    // Kafka forgets an empty group by itself.
    log.info('the group of the scan was not deleted', { group, cause: String(cause) })
  } finally {
    await admin.disconnect()
  }
}
