import { setTimeout as delay } from 'node:timers/promises'
import type { Consumer, EachBatchPayload } from 'kafkajs'
import { backoffMs } from '../backoff.ts'
import type { ConsumerName, Topic } from '../../processors/contract.ts'
import type { ConsumedBatch, KafkaLogs, Log, Position, PositionChange, TopicPartition, TopicState } from '../contract.ts'
import { KAFKAJS, type KafkaClient, openAdmin } from './client.ts'
import { coPartitioned } from './co-partitioned.ts'
import { commitMetadata, committedPositions } from './committed-positions.ts'
import type { FetchedBatch } from './fetched-batch.ts'
import { OFFSET_OUT_OF_RANGE } from './kafkajs.ts'
import { kafkaError } from './outage.ts'

/** Figures for metrics. */
export interface ConsumerCounters {
  records: number
  rebalances: number
  stale: number
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
  readonly counters: ConsumerCounters
  /** What Kafka says of the topics' logs. */
  readonly logs: KafkaLogs
  /**
   * Tells what Kafka no longer has, or has anew, of what this group has read or was to read. Where
   * `claim` decides, its owner checks positions itself.
   */
  readonly noticed: (change: PositionChange) => void
  /**
   * Health: null while all topics are there and their partitions are this group's, else what
   * stands.
   */
  readonly problem?: (what: string | null) => void
  /**
   * Says where to go on, once partitions are assigned and before a record of them is handled;
   * called anew at every rebalance, with a number that grows with each, and where Kafka's log was
   * met not to be what was read. Called again with backoff after a rejection. Without it, Kafka's
   * committed offsets decide.
   */
  readonly claim?: (partitions: readonly TopicPartition[], generation: number) => Promise<readonly Position[]>
  /**
   * Takes a batch: the next one of the same partition follows when the promise has resolved. That
   * is flow control only; progress is told by `commit`. A rejection re-reads the partition from
   * where this batch began, after a pause.
   */
  readonly handle: (batch: ConsumedBatch, generation: number) => Promise<void>
  /**
   * Partitions were taken away, or the session ended. What is under way for them must not be
   * committed.
   */
  readonly revoked?: (generation: number) => void
}

/** A running consumer group member. */
export interface GroupConsumer extends AsyncDisposable {
  /** Commits to Kafka; for lag tools only where `claim` decides. */
  commit(positions: readonly Position[]): Promise<void>
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
  /** Milliseconds since Kafka last answered; it is asked several times in a session timeout. */
  silentMs(): number
  /** Rejects when the consumer has stopped for good by a failure that cannot be retried. */
  readonly failed: Promise<never>
}

const REBALANCE_TIMEOUT_MS = 30_000
/**
 * Who was refused by the database claims again only after Kafka has confirmed, twice since then
 * (the first answer may have been under way), that it still is a member of this generation. A
 * member that was paused past its session never gets that answer: it rejoins instead, and does not
 * take its former partitions from their new owner. So two cannot take them from each other in
 * turns.
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
 * How often topics are looked at: whether one was recreated, or got partitions. A new topic may
 * have passed the position in the old one before anything is fetched, and its first leader's epoch
 * is that of the old one's: nothing else would tell.
 */
const WATCH_MS = 2_000
const CLAIM_AGAIN = { baseMs: 100, maxMs: 5_000 }
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
 * Joins a consumer group and hands batches on. A batch is handed on only if it continues exactly
 * where the partition's position is, and only while what was read below that is still in the log:
 * what was fetched before a rebalance or a seek is discarded, and so is what another leader gives
 * until the log is known to go on from what was read. Whatever does not agree has the partitions
 * claimed anew.
 */
export async function runConsumer(options: ConsumerOptions): Promise<GroupConsumer> {
  const { kafka, group, topics, logs, log, counters } = options
  const heartbeatMs = options.sessionTimeoutMs / HEARTBEATS_PER_SESSION
  const consumer: Consumer = kafka[KAFKAJS].consumer({
    groupId: group,
    ...(options.coPartitioned ? { partitionAssigners: [coPartitioned] } : {}),
    sessionTimeout: options.sessionTimeoutMs,
    rebalanceTimeout: REBALANCE_TIMEOUT_MS,
    heartbeatInterval: heartbeatMs,
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
  const admin = openAdmin(kafka, PATIENT)
  await admin[KAFKAJS]()
  /** Up to where each partition was handed on; absent while it is not known. */
  const positions = new Map<string, Position>()
  let generation = 0
  let fail: (cause: Error) => void = () => undefined
  const failed = new Promise<never>((_, reject) => {
    fail = reject
  })
  failed.catch(() => undefined)
  /** The topics as they were when the partitions were claimed. */
  let states: ReadonlyMap<Topic, TopicState> = new Map()

  async function start(partitions: readonly TopicPartition[], current: number): Promise<void> {
    const known = await patiently(current, () => logs.topics(topics))
    if (known === undefined) return
    const before = states
    states = known
    const claim = options.claim ?? (() => claimCommitted(partitions, known, before))
    const claimed = await patiently(current, () => claim(partitions, current))
    if (claimed === undefined || current !== generation) return
    for (const position of claimed) {
      positions.set(key(position.topic, position.partition), position)
      goOn(position)
      consumer.resume([{ topic: position.topic, partitions: [position.partition] }])
    }
  }

  async function claimCommitted(
    partitions: readonly TopicPartition[],
    known: ReadonlyMap<Topic, TopicState>,
    before: ReadonlyMap<Topic, TopicState>,
  ): Promise<readonly Position[]> {
    const starts = await committedPositions({ admin, group, logs, noticed: options.noticed }, partitions, known, before)
    // At once: what was noticed is not to be noticed again, and lag tools know it. Whatever is
    // handled next is committed in any case.
    if (starts.changed.length > 0)
      commit(starts.changed).catch((cause: unknown) => log.info('positions were not committed at once', { group, cause: String(cause) }))
    return starts.positions
  }

  async function commit(offsets: readonly Position[]): Promise<void> {
    await consumer.commitOffsets(
      offsets.map(({ topic, partition, nextOffset, leaderEpoch }) => {
        const topicId = states.get(topic)?.id
        const metadata = topicId === undefined ? {} : { metadata: commitMetadata({ leaderEpoch, topicId }) }
        return { topic, partition, offset: nextOffset.toString(), ...metadata }
      }),
    )
  }

  /** Tries until it succeeds; undefined if the partitions were assigned anew meanwhile. */
  async function patiently<Result>(current: number, work: () => Promise<Result>): Promise<Result | undefined> {
    for (let attempt = 0; current === generation && !options.signal.aborted; attempt++) {
      try {
        return await work()
      } catch (cause) {
        const error = kafkaError('asking Kafka where to go on', cause)
        log.warn('where to go on is not known; asking Kafka again', { group, attempt: attempt + 1, cause: String(error) })
        // The end of the process cuts the pause short, and then the loop.
        await delay(backoffMs(attempt, CLAIM_AGAIN, Math.random), undefined, { signal: options.signal }).catch(() => undefined)
      }
    }
    return undefined
  }

  /** The next fetch starts there. */
  function goOn({ topic, partition, nextOffset }: Position): void {
    consumer.seek({ topic, partition, offset: nextOffset.toString() })
  }

  let assigned: readonly TopicPartition[] = []
  let disposed = false
  /** Batches of a partition that were not handled since the last that was. */
  const failures = new Map<string, number>()

  /**
   * A new generation: what was read before is void, and each partition's position must be learnt.
   */
  function begin(): void {
    generation++
    positions.clear()
    options.revoked?.(generation - 1)
    if (assigned.length === 0) return
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
  /**
   * Heartbeats that Kafka answered, and how many it must have answered in this generation before
   * the partitions are claimed anew.
   */
  let beats = 0
  let reclaiming: { readonly generation: number; readonly beats: number } | undefined
  function reclaim(): void {
    if (reclaiming?.generation !== generation) reclaiming = { generation, beats: beats + BEATS_TO_RECLAIM }
  }
  consumer.on(consumer.events.HEARTBEAT, () => {
    beats++
    if (disposed || reclaiming === undefined || beats < reclaiming.beats) return
    const current = reclaiming.generation === generation
    reclaiming = undefined
    if (current) begin()
  })
  consumer.on(OFFSET_OUT_OF_RANGE as typeof consumer.events.FETCH, ({ payload }) => {
    const { topic, partition } = payload as unknown as TopicPartition
    log.warn('Kafka does not have the next offset; finding out why', {
      topic,
      partition,
      offset: String(positions.get(key(topic, partition))?.nextOffset),
    })
    reclaim()
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

  /** Looks whether the topics still are those that were claimed. */
  async function look(): Promise<void> {
    const [current, known] = [generation, states]
    const now = await logs.topics(topics)
    if (current !== generation || known !== states || known.size === 0) return
    const wrong: string[] = []
    for (const topic of topics) {
      const [before, after] = [known.get(topic), now.get(topic)]
      if (after === undefined) wrong.push(`Kafka has no topic ${topic}`)
      else if (before?.id !== after.id) reclaim()
      else if (after.partitions !== before.partitions) {
        wrong.push(`${topic} has ${after.partitions} partitions, and had ${before.partitions} when they were assigned`)
        // Assigned, and not claimed because the broker that was asked had not heard of them.
        if (assigned.some((each) => each.topic === topic && each.partition >= before.partitions)) reclaim()
      }
    }
    options.problem?.(wrong.length === 0 ? null : wrong.join('; '))
  }
  let looking = false
  const watch = setInterval(() => {
    if (looking) return
    looking = true
    look()
      // Kafka's silence is noticed elsewhere, and the next look is soon.
      .catch((cause: unknown) => log.info('the topics could not be looked at', { group, cause: String(cause) }))
      .finally(() => {
        looking = false
      })
  }, WATCH_MS)
  watch.unref()

  /**
   * Pauses a partition for a moment, then reads on from a position. Not waited for: a handler that
   * waits would hold up the broker's other partitions.
   */
  function readAgain(position: Position, current: number, cause: unknown): void {
    const { topic, partition, nextOffset } = position
    const attempt = failures.get(key(topic, partition)) ?? 0
    failures.set(key(topic, partition), attempt + 1)
    const pauseMs = AGAIN_LEAST_MS + backoffMs(attempt, AGAIN, Math.random)
    log.warn('a batch was not handled; reading it again', {
      topic,
      partition,
      offset: String(nextOffset),
      pauseMs: Math.round(pauseMs),
      cause: String(cause),
    })
    positions.set(key(topic, partition), position)
    goOn(position)
    consumer.pause([{ topic, partitions: [partition] }])
    setTimeout(() => {
      // After a rebalance the claim says when to go on.
      if (!disposed && current === generation) consumer.resume([{ topic, partitions: [partition] }])
    }, pauseMs).unref()
  }

  /** Whether what was read up to the position is in the log that a later leader goes on with. */
  async function stillThere(position: Position, current: number): Promise<boolean> {
    try {
      const [checked] = await logs.check([position])
      if (current !== generation) return false
      if (checked?.change === null) return true
      consumer.pause([{ topic: position.topic, partitions: [position.partition] }])
      reclaim()
    } catch (cause) {
      if (current === generation) readAgain(position, current, cause)
    }
    return false
  }

  /** Whether the batch was handled; if not, the partition is read again from its start. */
  async function handleOrReadAgain(position: Position, batch: ConsumedBatch, current: number): Promise<boolean> {
    const place = key(batch.topic, batch.partition)
    try {
      const { topic, partition, nextOffset, leaderEpoch } = batch
      positions.set(place, { topic, partition, nextOffset, leaderEpoch })
      await options.handle(batch, current)
      failures.delete(place)
      return true
    } catch (cause) {
      if (current === generation) readAgain(position, current, cause)
      return false
    }
  }

  async function eachBatch({ batch: fetched, resolveOffset, heartbeat, isRunning, isStale }: EachBatchPayload): Promise<void> {
    const batch = fetched as unknown as FetchedBatch
    const topic = batch.topic as Topic
    const { partition, nextOffset, leaderEpoch } = batch
    const current = generation
    const position = positions.get(key(topic, partition))
    if (!isRunning() || isStale() || position === undefined) return
    if (batch.fetchedFrom !== position.nextOffset) {
      counters.stale++
      goOn(position)
      return
    }
    if (batch.firstLeaderEpoch !== position.leaderEpoch && position.leaderEpoch >= 0 && !(await stillThere(position, current))) return
    let leave: (cause: unknown) => void = () => undefined
    const rebalanced = new Promise<never>((_, reject) => {
      leave = reject
    })
    // A handler may wait long for a database; a rebalance must still get the member back in time.
    const beating = setInterval(() => {
      heartbeat().catch(leave)
    }, heartbeatMs)
    const work = handleOrReadAgain(position, { topic, partition, records: batch.messages, nextOffset, leaderEpoch }, current)
    try {
      if (!(await Promise.race([work, rebalanced]))) return
    } finally {
      clearInterval(beating)
    }
    counters.records += batch.messages.length
    if (current === generation && positions.get(key(topic, partition))?.nextOffset === nextOffset)
      resolveOffset((nextOffset - 1n).toString())
    await heartbeat()
  }

  await consumer.connect()
  await consumer.subscribe({ topics: [...topics], fromBeginning: true })
  await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, partitionsConsumedConcurrently: 64, eachBatch })

  return {
    failed,
    silentMs: () => performance.now() - heardAt,
    commit,
    pause({ topic, partition }) {
      consumer.pause([{ topic, partitions: [partition] }])
    },
    resume({ topic, partition }) {
      consumer.resume([{ topic, partitions: [partition] }])
    },
    reclaim,
    async [Symbol.asyncDispose]() {
      disposed = true
      generation++
      clearInterval(watch)
      await consumer.disconnect()
      await admin[Symbol.asyncDispose]()
    },
  }
}

function key(topic: string, partition: number): string {
  return `${topic}/${partition}`
}
