import type { Consumer } from 'kafkajs'
import type { ConsumerName, Topic } from '../../processors/contract.ts'
import type { FetchSettings, Pace } from '../../processors/declaration.ts'
import { type Clock, systemClock } from '../clock.ts'
import type { ConsumedBatch, KafkaLogs, Log, Position, PositionChange, TopicPartition } from '../contract.ts'
import { retryWhile } from '../retry.ts'
import { AssignedPartitions } from './assigned-partitions.ts'
import { KAFKAJS, type KafkaAdmin, type KafkaClient, openAdmin } from './client.ts'
import { coPartitioned } from './co-partitioned.ts'
import { claimCommitted, commitMetadata } from './committed-positions.ts'
import { Delivery } from './delivery.ts'
import { type Fetching, fetchingOf } from './fetching.ts'
import { OFFSET_OUT_OF_RANGE } from './kafkajs.ts'
import { kafkaError } from './outage.ts'
import { Reclaims } from './reclaims.ts'
import { TopicWatch, WATCH_MS } from './topic-watch.ts'
import { TopicsRead } from './topics-read.ts'

/** Figures for metrics. */
export interface ConsumerCounters {
  rebalances: number
}

export interface ConsumerOptions extends FetchSettings {
  readonly kafka: KafkaClient
  readonly group: ConsumerName
  readonly topics: readonly Topic[]
  /** A member that Kafka does not hear from for this long loses its partitions. */
  readonly sessionTimeoutMs: number
  readonly log: Log
  readonly signal: AbortSignal
  readonly clock?: Clock
  readonly counters: ConsumerCounters
  /** Asks Kafka about the logs of the topics. */
  readonly logs: KafkaLogs
  /**
   * Called with what Kafka no longer has, or has anew, of what this group has read or was to read.
   * If the handler has a `claim`, its owner checks positions itself.
   */
  readonly noticed: (change: PositionChange) => void
  /**
   * Health: null while all topics exist and their partitions belong to this group, else what stands
   * still.
   */
  readonly problem?: (what: string | null) => void
}

/** Takes the records of a member of a consumer group. */
export interface ConsumerHandler {
  /**
   * Says where to resume, once partitions are assigned and before any of their records is handled.
   * It is called again at every rebalance, and if Kafka's log turns out not to be what was read;
   * the generation grows each time. After a rejection it is repeated with backoff. Without it,
   * Kafka's committed offsets decide.
   */
  claim?(partitions: readonly TopicPartition[], generation: number): Promise<readonly Position[]>
  /**
   * Takes a batch. The next one of the same partition follows when the promise has resolved. That
   * is flow control only; `commit` records progress. After a rejection and a pause the partition is
   * read again from the start of this batch.
   */
  handle(batch: ConsumedBatch, generation: number): Promise<void>
  /**
   * Partitions were taken away, or the session ended. What is under way for them must not be
   * committed any more.
   */
  revoked?(): void
}

/** What a handler may ask its consumer to do. */
export interface ConsumerControls {
  /**
   * Fetches no more of a partition until it is resumed or assigned anew. A batch that was fetched
   * before may still come.
   */
  pause(partition: TopicPartition): void
  resume(partition: TopicPartition): void
  /**
   * Claims the assigned partitions anew, after another owner was found. Batches that are under way
   * end as after a rebalance.
   */
  reclaim(): void
}

const REBALANCE_TIMEOUT_MS = 30_000
/** Heartbeats in a session timeout: four of them may be lost. */
const HEARTBEATS_PER_SESSION = 5
const PATIENT = { retries: Number.MAX_SAFE_INTEGER, initialRetryTime: 200, maxRetryTime: 5_000 }
const PARTITION_BYTES = 1_000_000
/**
 * When a fetch is answered: after so long at the latest, much sooner while a partition is paused
 * (kafkajs.ts), or once there is so much. That is less than one partition may give, so that the
 * backlog of a single partition does not wait.
 */
const ANSWERED: Readonly<Record<Pace, { readonly longestMs: number; readonly leastBytes: number }>> = {
  prompt: { longestMs: 1_000, leastBytes: 1 },
  gathered: { longestMs: 300, leastBytes: 200_000 },
  unhurried: { longestMs: 1_000, leastBytes: 500_000 },
}

/**
 * A member of a consumer group. It is made first and run later, with a handler that may already
 * have its controls. If Kafka's log contradicts a position, the partitions are claimed anew.
 */
export class GroupConsumer implements ConsumerControls, AsyncDisposable {
  /** Rejects if the consumer has stopped for good, after a failure that cannot be retried. */
  readonly failed: Promise<never>
  private readonly options: ConsumerOptions
  private readonly clock: Clock
  private readonly consumer: Consumer
  private readonly admin: KafkaAdmin
  private readonly fetching: Fetching
  private readonly assigned = new AssignedPartitions()
  private readonly reclaims = new Reclaims()
  private readonly watch: TopicWatch
  private readonly read = new TopicsRead()
  private readonly heartbeatMs: number
  private fail: (cause: Error) => void = () => undefined
  private heardAt: number
  private disposed = false

  constructor(options: ConsumerOptions) {
    this.options = options
    const { kafka, group, topics, logs, log, problem, sessionTimeoutMs, clock = systemClock } = options
    this.clock = clock
    this.heardAt = clock.monotonicMs()
    this.heartbeatMs = sessionTimeoutMs / HEARTBEATS_PER_SESSION
    this.failed = new Promise<never>((_, reject) => {
      this.fail = reject
    })
    this.failed.catch(() => undefined)
    const { longestMs, leastBytes } = ANSWERED[options.pace ?? 'prompt']
    this.consumer = kafka[KAFKAJS].consumer({
      groupId: group,
      ...(options.coPartitioned ? { partitionAssigners: [coPartitioned] } : {}),
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: REBALANCE_TIMEOUT_MS,
      heartbeatInterval: this.heartbeatMs,
      // New partitions are assigned once the leader of the group has heard of them.
      metadataMaxAge: WATCH_MS,
      maxWaitTimeInMs: longestMs,
      minBytes: leastBytes,
      maxBytesPerPartition: options.partitionBytes ?? PARTITION_BYTES,
      maxBytes: 8_000_000,
      allowAutoTopicCreation: false,
      retry: { ...PATIENT, restartOnFailure: async () => true },
    })
    // It waits for Kafka as the consumer does, because an outage in the middle of a claim must not
    // end the service.
    this.admin = openAdmin(kafka, PATIENT)
    this.fetching = fetchingOf(this.consumer)
    this.watch = new TopicWatch({
      group,
      topics,
      logs,
      log,
      assigned: this.assigned,
      reclaim: () => this.reclaim(),
      ...(problem === undefined ? {} : { problem }),
    })
  }

  /** Joins the group and hands batches on, until it is disposed of. Call it once. */
  async run(handler: ConsumerHandler): Promise<void> {
    const { topics, logs, log } = this.options
    const { consumer, assigned, fetching, clock, heartbeatMs } = this
    this.listen(handler)
    const delivery = new Delivery({
      assigned,
      fetching,
      handle: (batch, generation) => handler.handle(batch, generation),
      logs,
      reclaim: () => this.reclaim(),
      heartbeatMs,
      clock,
      log,
    })
    await consumer.connect()
    await consumer.subscribe({ topics: [...topics], fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: 64,
      eachBatch: (payload) => delivery.eachBatch(payload),
    })
  }

  /** Milliseconds since Kafka last answered. It is asked several times in a session timeout. */
  silentMs(): number {
    return this.clock.monotonicMs() - this.heardAt
  }

  /** Commits to Kafka. If the handler has a `claim`, this is for lag tools only. */
  async commit(positions: readonly Position[]): Promise<void> {
    await this.consumer.commitOffsets(
      positions.map(({ topic, partition, nextOffset, leaderEpoch }) => {
        const topicId = this.watch.idOf(topic)
        const metadata = topicId === undefined ? {} : { metadata: commitMetadata({ leaderEpoch, topicId }) }
        return { topic, partition, offset: nextOffset.toString(), ...metadata }
      }),
    )
  }

  pause(partition: TopicPartition): void {
    this.fetching.pause(partition)
  }

  resume(partition: TopicPartition): void {
    this.fetching.resume(partition)
  }

  reclaim(): void {
    this.reclaims.request(this.assigned.generation)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.disposed = true
    this.assigned.begin()
    this.watch[Symbol.dispose]()
    await this.consumer.disconnect()
    await this.admin[Symbol.asyncDispose]()
  }

  private listen(handler: ConsumerHandler): void {
    const { group, log, counters } = this.options
    const { consumer, assigned } = this
    const { GROUP_JOIN, HEARTBEAT, FETCH, CRASH } = consumer.events
    consumer.on(GROUP_JOIN, ({ payload }) => {
      counters.rebalances++
      assigned.assign(
        Object.entries(payload.memberAssignment).flatMap(([topic, partitions]) =>
          partitions.map((partition) => ({ topic: topic as Topic, partition })),
        ),
      )
      log.info('partitions assigned', {
        group,
        partitions: assigned.partitions.map(({ topic, partition }) => `${topic}/${partition}`).join(' '),
      })
      this.begin(handler)
    })
    consumer.on(HEARTBEAT, () => {
      if (this.reclaims.beat(assigned.generation) && !this.disposed) this.begin(handler)
    })
    consumer.on(OFFSET_OUT_OF_RANGE as typeof FETCH, ({ payload }) => {
      const { topic, partition } = payload as unknown as TopicPartition
      const offset = String(assigned.position({ topic, partition })?.nextOffset)
      log.warn('Kafka does not have the next offset; finding out why', { topic, partition, offset })
      this.reclaim()
    })
    for (const event of [HEARTBEAT, FETCH, GROUP_JOIN]) {
      consumer.on(event, () => {
        this.heardAt = this.clock.monotonicMs()
      })
    }
    consumer.on(CRASH, ({ payload: { error, restart } }) => {
      if (!restart) this.fail(error)
    })
  }

  /**
   * Begins a new generation: what was read before is void, and the position of each partition must
   * be asked for.
   */
  private begin(handler: ConsumerHandler): void {
    const generation = this.assigned.begin()
    handler.revoked?.()
    const { partitions } = this.assigned
    // Paused before the first fetch, so that no record comes before the position is known.
    for (const partition of partitions) this.fetching.pause(partition)
    if (partitions.length === 0) return
    this.start(handler, partitions, generation).catch((cause: unknown) => {
      if (!this.options.signal.aborted) this.fail(cause instanceof Error ? cause : new Error(String(cause)))
    })
  }

  private async start(handler: ConsumerHandler, partitions: readonly TopicPartition[], generation: number): Promise<void> {
    const { group, logs, topics, noticed } = this.options
    const { admin } = this
    const claimed = await this.patiently(generation, async () => {
      const states = await logs.topics(topics)
      // Voided while Kafka was asked: a newer claim may have told the watch already.
      if (!this.assigned.isCurrent(generation)) return undefined
      this.watch.claiming(states)
      if (handler.claim !== undefined) return handler.claim(partitions, generation)
      return claimCommitted(
        { admin, group, logs, noticed, read: this.read, commit: (positions) => this.commit(positions) },
        partitions,
        states,
      )
    })
    if (claimed === undefined || !this.assigned.isCurrent(generation)) return
    for (const position of claimed) {
      this.assigned.moveTo(position)
      this.fetching.goOn(position)
      this.fetching.resume(position)
    }
  }

  /** Tries until it succeeds. Undefined if the partitions were assigned anew meanwhile. */
  private patiently<Result>(generation: number, work: () => Promise<Result>): Promise<Result | undefined> {
    const { group, log, signal } = this.options
    return retryWhile(() => this.assigned.isCurrent(generation) && !signal.aborted, work, {
      clock: this.clock,
      signal,
      failed({ cause, attempt }) {
        const error = kafkaError('asking Kafka where to go on', cause)
        log.warn('where to go on is not known; asking Kafka again', { group, attempt, cause: String(error) })
      },
    })
  }
}
