import type { Consumer, EachBatchPayload, Kafka as KafkaClient } from 'kafkajs'
import { backoffMs } from '../../processors/backoff.ts'
import type { ConsumerName, KafkaRecord, Topic } from '../../processors/contract.ts'
import type { ConsumedBatch, Log, TopicPartition } from '../contract.ts'
import { coPartitioned } from './co-partitioned.ts'

/** Where to go on with a partition; null for the earliest record. */
export interface StartPosition extends TopicPartition {
  readonly nextOffset: bigint | null
}

/** Figures for metrics. */
export interface ConsumerCounters {
  records: number
  rebalances: number
  stale: number
  gaps: number
  lostOffsets: number
}

/**
 * `prompt`, where nothing is said: records come at once, and a partition that was paused goes on within 100 ms. `patient`: records come at once, a
 * paused partition goes on within a second; ten times fewer requests where there is nothing to read. `unhurried`: a fetch waits up to a second for
 * a good amount, which costs a fraction of the CPU.
 */
export type Pace = 'prompt' | 'patient' | 'unhurried'

export interface ConsumerOptions {
  readonly kafka: KafkaClient
  readonly group: ConsumerName
  readonly topics: readonly Topic[]
  /** Partition n of every topic goes to the same member. Every member of the group must say so. */
  readonly coPartitioned?: boolean
  readonly pace?: Pace
  /** Most bytes of a partition in one fetch; a record that is larger comes alone. 1,000,000 unless told otherwise. */
  readonly partitionBytes?: number
  /** A member that is not heard of for so long loses its partitions. */
  readonly sessionTimeoutMs: number
  readonly log: Log
  readonly signal: AbortSignal
  readonly counters: ConsumerCounters
  /**
   * Says where to go on, once partitions are assigned and before a record of them is handled; called anew at every rebalance, with a
   * number that grows with each. Without it, Kafka's committed offsets decide. It is called again with backoff by its owner: it must not reject.
   */
  readonly claim?: (partitions: readonly TopicPartition[], generation: number) => Promise<readonly StartPosition[]>
  /**
   * Takes a batch: the next one of the same partition follows when the promise has resolved. That is flow control only; progress is told by
   * `commit`. A rejection re-reads the partition from where this batch began, after a pause.
   */
  readonly handle: (batch: ConsumedBatch, generation: number) => Promise<void>
  /** Partitions were taken away, or the session ended. What is under way for them must not be committed. */
  readonly revoked?: (generation: number) => void
}

/** A running consumer group member. */
export interface GroupConsumer extends AsyncDisposable {
  /** Commits to Kafka; for lag tools only where `claim` decides. */
  commit(offsets: readonly (TopicPartition & { readonly nextOffset: bigint })[]): Promise<void>
  /** Goes back: the next batch of the partition starts there. */
  seek(position: TopicPartition & { readonly nextOffset: bigint }): void
  /** Fetches no more of a partition until it is resumed or assigned anew; a batch that was fetched before may still come. */
  pause(partition: TopicPartition): void
  resume(partition: TopicPartition): void
  /** Claims the assigned partitions anew, after another owner was met. Batches that are under way end as after a rebalance. */
  reclaim(): void
  /** Milliseconds since Kafka last answered; it is asked several times in a session timeout. */
  silentMs(): number
  /** Rejects when the consumer has stopped for good by a failure that cannot be retried. */
  readonly failed: Promise<never>
}

const REBALANCE_TIMEOUT_MS = 30_000
/**
 * Who was refused by the database claims again only after Kafka has confirmed, twice since then (the first answer may have been under way), that it
 * still is a member of this generation. A member that was paused past its session never gets that answer: it rejoins instead, and does not take
 * its former partitions from their new owner. So two cannot take them from each other in turns.
 */
const BEATS_TO_RECLAIM = 2
/** Share of the session timeout: four may be lost. */
const HEARTBEATS_PER_SESSION = 5
/** Pause before a batch that was not handled is read again. */
const AGAIN = { baseMs: 500, maxMs: 30_000 }
const AGAIN_LEAST_MS = 500
const PATIENT = { retries: Number.MAX_SAFE_INTEGER, initialRetryTime: 200, maxRetryTime: 5_000 }
const PARTITION_BYTES = 1_000_000
/**
 * Where all partitions are paused, kafkajs notices a resume only after the longest wait of a fetch. The bytes that an unhurried one waits for are
 * less than one partition may give, so that a backlog of a single one does not wait.
 */
const FETCHES: Readonly<Record<Pace, { readonly maxWaitTimeInMs: number; readonly minBytes: number }>> = {
  prompt: { maxWaitTimeInMs: 100, minBytes: 1 },
  patient: { maxWaitTimeInMs: 1_000, minBytes: 1 },
  unhurried: { maxWaitTimeInMs: 1_000, minBytes: 500_000 },
}

/**
 * Joins a consumer group and hands batches on. A batch is handed on only if it continues exactly where the partition's position is: what was
 * fetched before a rebalance or a seek is discarded, and records that retention has deleted unread are logged and counted.
 */
export async function runConsumer(options: ConsumerOptions): Promise<GroupConsumer> {
  const { kafka, group, topics, log, counters } = options
  const heartbeatMs = options.sessionTimeoutMs / HEARTBEATS_PER_SESSION
  const consumer: Consumer = kafka.consumer({
    groupId: group,
    ...(options.coPartitioned ? { partitionAssigners: [coPartitioned] } : {}),
    sessionTimeout: options.sessionTimeoutMs,
    rebalanceTimeout: REBALANCE_TIMEOUT_MS,
    heartbeatInterval: heartbeatMs,
    ...FETCHES[options.pace ?? 'prompt'],
    maxBytesPerPartition: options.partitionBytes ?? PARTITION_BYTES,
    maxBytes: 8_000_000,
    allowAutoTopicCreation: false,
    retry: { ...PATIENT, restartOnFailure: async () => true },
  })
  // Waits for Kafka as the consumer does: an outage in the middle of a claim must not end the service.
  const admin = kafka.admin({ retry: PATIENT })
  await admin.connect()
  /** Next offset expected of each partition; absent while it is not known. */
  const positions = new Map<string, bigint>()
  let generation = 0
  let fail: (cause: Error) => void = () => undefined
  const failed = new Promise<never>((_, reject) => {
    fail = reject
  })
  failed.catch(() => undefined)

  async function start(partitions: readonly TopicPartition[], current: number): Promise<void> {
    const claim = options.claim
    if (claim === undefined) return
    const starts = await claim(partitions, current)
    if (current !== generation) return
    for (const { topic, partition, nextOffset } of starts) {
      const offset = nextOffset ?? (await earliestOffset(topic, partition))
      if (current !== generation) return
      positions.set(key(topic, partition), offset)
      consumer.seek({ topic, partition, offset: offset.toString() })
      consumer.resume([{ topic, partitions: [partition] }])
    }
  }

  async function earliestOffset(topic: Topic, partition: number): Promise<bigint> {
    const found = (await admin.fetchTopicOffsets(topic)).find((entry) => entry.partition === partition)
    return BigInt(found?.low ?? 0)
  }

  let assigned: readonly TopicPartition[] = []
  let disposed = false
  /** Batches of a partition that were not handled since the last that was. */
  const failures = new Map<string, number>()

  /** A new generation: what was read before is void, and each partition's position must be learnt. */
  function begin(): void {
    generation++
    positions.clear()
    options.revoked?.(generation - 1)
    if (options.claim === undefined || assigned.length === 0) return
    // Paused before the first fetch, so that no record comes before its position is known.
    consumer.pause(assigned.map(({ topic, partition }) => ({ topic, partitions: [partition] })))
    start(assigned, generation).catch((cause: unknown) => fail(cause instanceof Error ? cause : new Error(String(cause))))
  }

  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    counters.rebalances++
    assigned = Object.entries(payload.memberAssignment).flatMap(([topic, partitions]) =>
      partitions.map((partition) => ({ topic: topic as Topic, partition })),
    )
    log.info('partitions assigned', { group, partitions: assigned.map(({ topic, partition }) => `${topic}/${partition}`).join(' ') })
    begin()
  })
  /** Heartbeats that Kafka answered, and how many it must have answered in this generation before the partitions are claimed anew. */
  let beats = 0
  let reclaiming: { readonly generation: number; readonly beats: number } | undefined
  consumer.on(consumer.events.HEARTBEAT, () => {
    beats++
    if (disposed || reclaiming === undefined || beats < reclaiming.beats) return
    const current = reclaiming.generation === generation
    reclaiming = undefined
    if (current) begin()
  })
  let heardAt = performance.now()
  for (const event of [consumer.events.HEARTBEAT, consumer.events.FETCH, consumer.events.GROUP_JOIN]) {
    consumer.on(event, () => {
      heardAt = performance.now()
    })
  }
  consumer.on(consumer.events.CRASH, ({ payload: { error, restart } }) => {
    if (!restart) fail(error)
  })

  /** Whether the batch goes on at the partition's position. */
  async function continues(topic: Topic, partition: number, fetchedFrom: bigint): Promise<boolean> {
    const position = positions.get(key(topic, partition))
    if (position === undefined) {
      if (options.claim !== undefined) return false
      positions.set(key(topic, partition), fetchedFrom)
      return true
    }
    if (fetchedFrom === position) return true
    const earliest = await earliestOffset(topic, partition)
    if (positions.get(key(topic, partition)) !== position) return false
    if (earliest > position && fetchedFrom === earliest) {
      counters.gaps++
      counters.lostOffsets += Number(earliest - position)
      log.error('records were deleted by retention before they were read', {
        topic,
        partition,
        from: String(position),
        to: String(earliest),
      })
      return true
    }
    counters.stale++
    consumer.seek({ topic, partition, offset: position.toString() })
    return false
  }

  /** Whether the batch was handled; if not, the partition is read again from its start. */
  async function handleOrReadAgain(
    topic: Topic,
    partition: number,
    fetchedFrom: bigint,
    batch: ConsumedBatch,
    current: number,
  ): Promise<boolean> {
    try {
      positions.set(key(topic, partition), batch.nextOffset)
      await options.handle(batch, current)
      failures.delete(key(topic, partition))
      return true
    } catch (cause) {
      if (current === generation) {
        const attempt = failures.get(key(topic, partition)) ?? 0
        failures.set(key(topic, partition), attempt + 1)
        const pauseMs = AGAIN_LEAST_MS + backoffMs(attempt, AGAIN, Math.random)
        log.warn('a batch was not handled; reading it again', {
          topic,
          partition,
          offset: String(fetchedFrom),
          pauseMs: Math.round(pauseMs),
          cause: String(cause),
        })
        positions.set(key(topic, partition), fetchedFrom)
        consumer.seek({ topic, partition, offset: fetchedFrom.toString() })
        // Paused rather than waited for: a handler that waits would hold up every other partition of the broker.
        consumer.pause([{ topic, partitions: [partition] }])
        setTimeout(() => {
          // After a rebalance `claim` says when to go on; where nothing is claimed, a partition that stays paused would be forgotten.
          if (!disposed && (current === generation || options.claim === undefined)) consumer.resume([{ topic, partitions: [partition] }])
        }, pauseMs).unref()
      }
      return false
    }
  }

  async function eachBatch({ batch, resolveOffset, heartbeat, isRunning, isStale }: EachBatchPayload): Promise<void> {
    const topic = batch.topic as Topic
    const current = generation
    const fetchedFrom = BigInt((batch as unknown as { fetchedOffset: string }).fetchedOffset)
    if (!isRunning() || isStale() || !(await continues(topic, batch.partition, fetchedFrom))) return
    const nextOffset = BigInt(batch.lastOffset()) + 1n
    const records = batch.messages as unknown as readonly KafkaRecord[]
    let leave: (cause: unknown) => void = () => undefined
    const rebalanced = new Promise<never>((_, reject) => {
      leave = reject
    })
    // A handler may wait long for a database; a rebalance must still get the member back in time.
    const beating = setInterval(() => {
      heartbeat().catch(leave)
    }, heartbeatMs)
    const work = handleOrReadAgain(topic, batch.partition, fetchedFrom, { topic, partition: batch.partition, records, nextOffset }, current)
    try {
      if (!(await Promise.race([work, rebalanced]))) return
    } finally {
      clearInterval(beating)
    }
    counters.records += records.length
    if (current === generation && positions.get(key(topic, batch.partition)) === nextOffset) resolveOffset((nextOffset - 1n).toString())
    await heartbeat()
  }

  await consumer.connect()
  await consumer.subscribe({ topics: [...topics], fromBeginning: true })
  await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, partitionsConsumedConcurrently: 64, eachBatch })

  return {
    failed,
    silentMs: () => performance.now() - heardAt,
    async commit(offsets) {
      await consumer.commitOffsets(offsets.map(({ topic, partition, nextOffset }) => ({ topic, partition, offset: nextOffset.toString() })))
    },
    seek({ topic, partition, nextOffset }) {
      positions.set(key(topic, partition), nextOffset)
      consumer.seek({ topic, partition, offset: nextOffset.toString() })
    },
    pause({ topic, partition }) {
      consumer.pause([{ topic, partitions: [partition] }])
    },
    resume({ topic, partition }) {
      consumer.resume([{ topic, partitions: [partition] }])
    },
    reclaim() {
      reclaiming = { generation, beats: beats + BEATS_TO_RECLAIM }
    },
    async [Symbol.asyncDispose]() {
      disposed = true
      generation++
      await consumer.disconnect()
      await admin.disconnect()
    },
  }
}

function key(topic: string, partition: number): string {
  return `${topic}/${partition}`
}
