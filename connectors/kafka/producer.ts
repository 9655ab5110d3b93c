import { setTimeout as delay } from 'node:timers/promises'
import type { Producer, RecordMetadata } from 'kafkajs'
import type { OutgoingRecord, Topic } from '../../processors/contract.ts'
import { systemClock } from '../clock.ts'
import { ConnectorError, type Log, type PositionChange, type RecordProducer } from '../contract.ts'
import { retry } from '../retry.ts'
import { KAFKAJS, type KafkaClient } from './client.ts'
import { KafkaJSProtocolError } from './kafkajs.ts'
import { encodeHeaders } from './record-headers.ts'
import { requestIntervalMs } from './request-interval.ts'
import { groupByTopic, unacknowledged } from './topic-messages.ts'

/**
 * Most records and bytes of one request. They stay below the broker's `max.message.bytes`, which
 * bounds a batch of one partition.
 */
const MAX_RECORDS = 8_000
const MAX_BYTES = 900_000
/** If nothing was acknowledged for this long, something is wrong. */
const SLOW_MS = 5_000
const LOOK_MS = 1_000
/** Errors of records that Kafka will never take: sending them again cannot help. */
const REFUSED = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_RECORD', 'INVALID_TIMESTAMP', 'TOPIC_AUTHORIZATION_FAILED'])

interface Waiting {
  readonly records: readonly OutgoingRecord[]
  readonly bytes: number
  readonly resolve: () => void
  readonly reject: (cause: unknown) => void
}

/** Figures for metrics. */
export interface ProducerCounters {
  bytes: number
  retries: number
}

export interface ProducerOptions {
  readonly kafka: KafkaClient
  /** Number of partitions of each topic that will be sent to, to begin with. */
  readonly partitions: ReadonlyMap<Topic, number>
  readonly log: Log
  readonly signal: AbortSignal
  readonly counters: ProducerCounters
  /** Largest value of a record that each topic takes: a request is kept below all of them. */
  readonly limits?: ReadonlyMap<Topic, number>
  /**
   * Kafka refused records that it will never take: a topic takes less than when its limits were
   * asked for.
   */
  readonly refused?: (cause: ConnectorError) => void
  /** Health: what is wrong while Kafka does not acknowledge; null once it does. */
  readonly problem?: (what: string | null) => void
  /**
   * Kafka gave records a lower offset than it had acknowledged before: the records between are
   * gone, if the topic is the same. Perhaps nobody else can know, because nobody had read them.
   */
  readonly lost?: (change: Pick<PositionChange, 'topic' | 'partition' | 'from' | 'to'>) => void
}

/** A producer whose topics may get partitions. */
export interface PartitionedProducer extends RecordProducer {
  /** Resolves once nothing is under way. From then on, what is sent waits for `resume`. */
  hold(): Promise<void>
  resume(): void
  /**
   * From now on the partition of a key follows from this number. Call it while the producer is
   * held: then no record is under way.
   */
  setPartitions(topic: Topic, count: number): void
}

/**
 * An idempotent producer with one request under way, begun at most every 10 ms, and less often
 * while Kafka is slow to answer. What is sent meanwhile is gathered into the next request, so
 * batches grow with load and latency stays low without it. A failed request is sent again unchanged
 * until it succeeds. With other records in it, the sequence numbers by which the broker recognises
 * a repeat would be wrong.
 */
export async function createProducer(options: ProducerOptions): Promise<PartitionedProducer> {
  const { kafka, log, signal, counters, problem } = options
  const requestBytes = Math.min(MAX_BYTES, ...(options.limits?.values() ?? []))
  const open = (): Producer =>
    kafka[KAFKAJS].producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: () => () => 0,
      retry: { retries: 3 },
    })
  let producer = open()
  let connected = false
  let waiting: Waiting[] = []
  let waitingBytes = 0
  let loop: Promise<void> | undefined
  let begunAt = Number.NEGATIVE_INFINITY
  let tookMs = 0
  /** When the request that is under way was sent. */
  let sentAt: number | undefined
  let slow = false
  // kafkajs gives a request half a minute, and tries again by itself. Without this look, a network
  // that swallows what is sent would not be noticed for minutes.
  const looking = setInterval(() => {
    const silentMs = sentAt === undefined ? 0 : performance.now() - sentAt
    if (silentMs < SLOW_MS) return
    slow = true
    problem?.(`Kafka has not acknowledged for ${Math.round(silentMs / 1000)} s`)
  }, LOOK_MS)
  looking.unref()
  const partitions = new Map(options.partitions)
  /**
   * `changes`: how often the numbers of partitions have changed. `known`: the same when the
   * producer was opened, which asks for them once.
   */
  let changes = 0
  let known = 0
  let held: { readonly until: Promise<void>; readonly resume: () => void } | undefined
  let underWay: Promise<void> | undefined
  /** Least offset that the next records of each partition can get. */
  const next = new Map<string, bigint>()

  function note(acknowledged: readonly RecordMetadata[]): void {
    for (const { topicName, partition, baseOffset } of acknowledged) {
      // It is below 0 if Kafka recognised a repeat whose offset it has forgotten.
      const base = BigInt(baseOffset ?? -1)
      if (base < 0n) continue
      const place = `${topicName}/${partition}`
      const least = next.get(place) ?? 0n
      if (base < least) options.lost?.({ topic: topicName as Topic, partition, from: least, to: base })
      // A batch is in the log whole or not at all.
      next.set(place, base + 1n)
    }
  }

  /** Sends the same batch again and again until Kafka has acknowledged it. */
  async function transmit(round: readonly Waiting[]): Promise<void> {
    let [messages, grouped] = [groupByTopic(round, partitions), changes]

    async function attempt(): Promise<void> {
      sentAt = performance.now()
      // A batch of other records needs another identity: see below.
      if (known !== changes) await replaceProducer()
      if (grouped !== changes) [messages, grouped] = [groupByTopic(round, partitions), changes]
      const topicMessages = [...messages].map(([topic, { list }]) => ({ topic, messages: list as never[] }))
      try {
        if (!connected) {
          await producer.connect()
          connected = true
        }
        const acknowledged = await producer.sendBatch({ acks: -1, topicMessages })
        const left = unacknowledged(messages, acknowledged)
        if (left !== undefined) {
          // kafkajs silently leaves out records for a partition that its broker has not heard of.
          // Another producer asks again.
          await replaceProducer()
          throw new ConnectorError(
            'KAFKA_UNKNOWN_PARTITION',
            true,
            `sending to ${left}, which the broker that was asked has not heard of yet`,
          )
        }
        note(acknowledged)
      } finally {
        sentAt = undefined
      }
    }

    let failed = false
    try {
      await retry(attempt, {
        clock: systemClock,
        signal,
        again: (cause) => !isRefused(cause),
        async failed({ cause, ...failure }) {
          failed = true
          counters.retries++
          problem?.(`Kafka does not acknowledge: ${String(cause)}`)
          log.warn('Kafka did not acknowledge; sending the same batch again', { ...failure, cause: String(cause) })
          // If the broker forgot this producer, or a newer epoch fenced it, the broker takes
          // records only from a new identity.
          if (protocolError(cause) !== undefined && !(cause as { retriable?: boolean }).retriable) await replaceProducer()
        },
        recovered: (attempts) => log.info('Kafka accepts records again', { attempts }),
      })
    } catch (cause) {
      if (!isRefused(cause)) throw cause
      // Other partitions may hold records of this request now, under sequence numbers that kafkajs
      // takes back. A batch of other records under the same numbers would pass for a repeat and be
      // lost. So go on under a new identity.
      await replaceProducer()
      throw new ConnectorError(`KAFKA_${protocolError(cause)}`, false, `sending to Kafka topics ${[...messages.keys()].join(', ')}`, cause)
    }
    if (failed || slow) problem?.(null)
    slow = false
  }

  async function replaceProducer(): Promise<void> {
    const old = producer
    known = changes
    producer = open()
    connected = false
    await old.disconnect().catch((cause: unknown) => log.info('leaving a producer behind that did not close', { cause: String(cause) }))
  }

  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      await gather()
      while (held !== undefined) await held.until
      underWay = deliver(takeRound())
      await underWay
    }
  }

  async function deliver(round: readonly Waiting[]): Promise<void> {
    try {
      await transmit(round)
      tookMs = performance.now() - begunAt
      for (const entry of round) {
        counters.bytes += entry.bytes
        entry.resolve()
      }
    } catch (cause) {
      if (round.length > 1 && !signal.aborted) {
        // One of them was refused. Sent alone, each gets its own answer (and some are written
        // twice).
        for (const entry of round) await transmit([entry]).then(entry.resolve, (own: unknown) => refuse(entry, own))
      } else for (const entry of round) refuse(entry, cause)
    }
  }

  function refuse(entry: Waiting, cause: unknown): void {
    if (cause instanceof ConnectorError) options.refused?.(cause)
    entry.reject(cause)
  }

  async function gather(): Promise<void> {
    const pauseMs = waitingBytes < requestBytes ? begunAt + requestIntervalMs(tookMs) - performance.now() : 0
    // The end of the process cuts the pause short. Then `transmit` refuses what is waiting.
    if (pauseMs >= 1) await delay(pauseMs, undefined, { signal }).catch(() => undefined)
    begunAt = performance.now()
  }

  function takeRound(): Waiting[] {
    let records = 0
    let bytes = 0
    let taken = 0
    for (const entry of waiting) {
      if (taken > 0 && (records + entry.records.length > MAX_RECORDS || bytes + entry.bytes > requestBytes)) break
      records += entry.records.length
      bytes += entry.bytes
      taken++
    }
    const round = waiting.slice(0, taken)
    waiting = waiting.slice(taken)
    waitingBytes -= bytes
    return round
  }

  function enqueue(records: readonly OutgoingRecord[], bytes: number): Promise<void> {
    return new Promise((resolve, reject) => {
      waiting.push({ records, bytes, resolve, reject })
      waitingBytes += bytes
      loop ??= drain().finally(() => {
        loop = undefined
      })
    })
  }

  return {
    async send(records) {
      const parts: Promise<void>[] = []
      for (let from = 0; from < records.length; ) {
        let to = from
        let bytes = 0
        for (; to < records.length && to - from < MAX_RECORDS; to++) {
          const record = records[to] as OutgoingRecord
          const headers = record.headers === undefined ? 0 : encodeHeaders(record.headers).length
          const size = record.value.length + (record.key?.length ?? 0) + headers + 32
          if (to > from && bytes + size > requestBytes) break
          bytes += size
        }
        parts.push(enqueue(from === 0 && to === records.length ? records : records.slice(from, to), bytes))
        from = to
      }
      await Promise.all(parts)
    },
    async hold() {
      let resume: () => void = () => undefined
      const until = new Promise<void>((resolve) => {
        resume = resolve
      })
      held ??= { until, resume }
      await underWay
    },
    resume() {
      held?.resume()
      held = undefined
    },
    setPartitions(topic, count) {
      partitions.set(topic, count)
      changes++
    },
    async [Symbol.asyncDispose]() {
      clearInterval(looking)
      held?.resume()
      held = undefined
      await loop?.catch(() => undefined)
      await producer.disconnect()
    },
  }
}

/** Whether Kafka refuses records for what they are. */
function isRefused(cause: unknown): boolean {
  const type = protocolError(cause)
  return type !== undefined && REFUSED.has(type)
}

function protocolError(cause: unknown): string | undefined {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  return inner instanceof KafkaJSProtocolError ? inner.type : undefined
}
