import type { Consumer } from 'kafkajs'
import type { ConsumerName, Topic } from '../../processors/contract.ts'
import { type Clock, systemClock } from '../clock.ts'
import type { ConsumedBatch, KafkaLogs, Log, Position, PositionChange, TopicPartition } from '../contract.ts'
import { retryWhile } from '../retry.ts'
import { AssignedPartitions } from './assigned-partitions.ts'
import { KAFKAJS, type KafkaAdmin, type KafkaClient, openAdmin } from './client.ts'
import { coPartitioned } from './co-partitioned.ts'
import { claimCommitted, commitMetadata } from './committed-positions.ts'
import { Delivery, type DeliveryCounters } from './delivery.ts'
import { type Fetching, fetchingOf } from './fetching.ts'
import { OFFSET_OUT_OF_RANGE } from './kafkajs.ts'
import { kafkaError } from './outage.ts'
import { Reclaims } from './reclaims.ts'
import { TopicWatch, WATCH_MS } from './topic-watch.ts'

/** Figures for metrics. */
export interface ConsumerCounters extends DeliveryCounters {
  rebalances: number
}

/**
 * `prompt`, where nothing is said: records come at once, and a partition that was paused goes on
 * within 100 ms. `patient`: records come at once, a paused partition goes on within a second; ten
 * times fewer requests where there is nothing to read. `unhurried`: a fetch waits up to a second
 * for a good amount, which costs a fraction of the CPU.
 */
export type Pace = 'prompt' | 'patient' | 'unhurried'

export interface ConsumerOptions {
  readonly kafka: KafkaClient
  readonly group: ConsumerName
  readonly topics: readonly Topic[]
  /** Partition n of every topic goes to the same member. Every member of the group must say so. */
  readonly coPartitioned?: boolean
  readonly pace?: Pace
  /**
   * Most bytes of a partition in one fetch; a record that is larger comes alone. 1,000,000 unless
   * told otherwise.
   */
  readonly partitionBytes?: number
  /** A member that is not heard of for so long loses its partitions. */
  readonly sessionTimeoutMs: number
  readonly log: Log
  readonly signal: AbortSignal
  readonly clock?: Clock
  readonly counters: ConsumerCounters
  /** What Kafka says of the topics' logs. */
  readonly logs: KafkaLogs
  /**
   * Tells what Kafka no longer has, or has anew, of what this group has read or was to read. If
   * a handler's `claim` decides, its owner checks positions itself.
   */
  readonly noticed: (change: PositionChange) => void
  /**
   * Health: null while all topics are there and their partitions are this group's, else what
   * stands.
   */
  readonly problem?: (what: string | null) => void
}

/** What takes the records of a consumer group's member. */
export interface ConsumerHandler {
  /**
   * Says where to go on, once partitions are assigned and before a record of them is handled;
   * called anew at every rebalance, with a number that grows with each, and where Kafka's log was
   * met not to be what was read. Called again with backoff after a rejection. Without it, Kafka's
   * committed offsets decide.
   */
  claim?(partitions: readonly TopicPartition[], generation: number): Promise<readonly Position[]>
  /**
   * Takes a batch: the next one of the same partition follows when the promise has resolved. That
   * is flow control only; progress is told by `commit`. A rejection re-reads the partition from
   * where this batch began, after a pause.
   */
  handle(batch: ConsumedBatch, generation: number): Promise<void>
  /**
   * Partitions were taken away, or the session ended. What is under way for them must not be
   * committed.
   */
  revoked?(): void
}

/** What a handler may ask of its consumer. */
export interface ConsumerControls {
  /**
   * Fetches no more of a partition until it is resumed or assigned anew; a batch that was fetched
   * before may still come.
   */
  pause(partition: TopicPartition): void
  resume(partition: TopicPartition): void
  /**
   * Claims the assigned partitions anew, after another owner was met. Batches that are under way
   * end as after a rebalance.
   */
  reclaim(): void
}

const REBALANCE_TIMEOUT_MS = 30_000
/** Share of the session timeout: four may be lost. */
const HEARTBEATS_PER_SESSION = 5
const PATIENT = { retries: Number.MAX_SAFE_INTEGER, initialRetryTime: 200, maxRetryTime: 5_000 }
const PARTITION_BYTES = 1_000_000
/**
 * Where all partitions are paused, kafkajs notices a resume only after the longest wait of a fetch.
 * The bytes that an unhurried one waits for are less than one partition may give, so that a backlog
 * of a single one does not wait.
 */
const FETCHES: Readonly<Record<Pace, { readonly maxWaitTimeInMs: number; readonly minBytes: number }>> = {
  prompt: { maxWaitTimeInMs: 100, minBytes: 1 },
  patient: { maxWaitTimeInMs: 1_000, minBytes: 1 },
  unhurried: { maxWaitTimeInMs: 1_000, minBytes: 500_000 },
}

/**
 * A member of a consumer group. Made first, and run with what handles its records: that may be
 * given its controls before. Whatever Kafka's log does not agree with has the partitions claimed
 * anew.
 */
export class GroupConsumer implements ConsumerControls, AsyncDisposable {
  /** Rejects when the consumer has stopped for good by a failure that cannot be retried. */
  readonly failed: Promise<never>
  private readonly options: ConsumerOptions
  private readonly clock: Clock
  private readonly consumer: Consumer
  private readonly admin: KafkaAdmin
  private readonly fetching: Fetching
  private readonly assigned = new AssignedPartitions()
  private readonly reclaims = new Reclaims()
  private readonly watch: TopicWatch
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
    this.consumer = kafka[KAFKAJS].consumer({
      groupId: group,
      ...(options.coPartitioned ? { partitionAssigners: [coPartitioned] } : {}),
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: REBALANCE_TIMEOUT_MS,
      heartbeatInterval: this.heartbeatMs,
      // New partitions are assigned once the group's leader has heard of them.
      metadataMaxAge: WATCH_MS,
      ...FETCHES[options.pace ?? 'prompt'],
      maxBytesPerPartition: options.partitionBytes ?? PARTITION_BYTES,
      maxBytes: 8_000_000,
      allowAutoTopicCreation: false,
      retry: { ...PATIENT, restartOnFailure: async () => true },
    })
    // Waits for Kafka as the consumer does: an outage in the middle of a claim must not end the
    // service.
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

  /** Joins the group and hands batches on, until it is disposed of. To be called once. */
  async run(handler: ConsumerHandler): Promise<void> {
    const { topics, logs, log, counters } = this.options
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
      counters,
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

  /** Milliseconds since Kafka last answered; it is asked several times in a session timeout. */
  silentMs(): number {
    return this.clock.monotonicMs() - this.heardAt
  }

  /** Commits to Kafka; for lag tools only if the handler's `claim` decides. */
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
   * A new generation: what was read before is void, and each partition's position must be learnt.
   */
  private begin(handler: ConsumerHandler): void {
    const generation = this.assigned.begin()
    handler.revoked?.()
    const { partitions } = this.assigned
    // Paused before the first fetch, so that no record comes before its position is known.
    for (const partition of partitions) this.fetching.pause(partition)
    if (partitions.length === 0) return
    this.start(handler, partitions, generation).catch((cause: unknown) => {
      if (!this.options.signal.aborted) this.fail(cause instanceof Error ? cause : new Error(String(cause)))
    })
  }

  private async start(handler: ConsumerHandler, partitions: readonly TopicPartition[], generation: number): Promise<void> {
    const { group, logs, topics, noticed } = this.options
    const { admin } = this
    const known = await this.patiently(generation, () => logs.topics(topics))
    if (known === undefined) return
    const before = this.watch.claimed(known)
    const claimed = await this.patiently(generation, async () => {
      if (handler.claim !== undefined) return handler.claim(partitions, generation)
      return claimCommitted({ admin, group, logs, noticed, commit: (positions) => this.commit(positions) }, partitions, known, before)
    })
    if (claimed === undefined || !this.assigned.isCurrent(generation)) return
    for (const position of claimed) {
      this.assigned.moveTo(position)
      this.fetching.goOn(position)
      this.fetching.resume(position)
    }
  }

  /** Tries until it succeeds; undefined if the partitions were assigned anew meanwhile. */
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
