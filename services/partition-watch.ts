import { setTimeout as delay } from 'node:timers/promises'
import type { KafkaLogs, Log } from '../connectors/contract.ts'
import type { PartitionedProducer } from '../connectors/kafka/producer.ts'
import type { Topic } from '../processors/contract.ts'

export interface PartitionWatchOptions {
  readonly logs: KafkaLogs
  readonly producer: Pick<PartitionedProducer, 'hold' | 'resume' | 'setPartitions'>
  /** Number of partitions of each topic that is sent to, as the producer has it. */
  readonly partitions: ReadonlyMap<Topic, number>
  /** Topics in which the order of a key's records counts. */
  readonly ordered: (topic: Topic) => boolean
  /** How far the readers of a topic have come: for each reader, by partition, the next offset. */
  readonly readers: (topic: Topic) => Promise<readonly ReadonlyMap<number, bigint>[]>
  readonly log: Log
  readonly signal: AbortSignal
  /** Health, by part. */
  readonly problem: (part: string, what: string | null) => void
  readonly lookMs?: number
  readonly longestHoldMs?: number
}

const LOOK_MS = 2_000
const POLL_MS = 250
/** Longest wait for readers: one that does not run must not keep the devices waiting for ever. */
const LONGEST_HOLD_MS = 60_000

/**
 * Takes up partitions that topics get while a service sends to them. The partition of a key follows
 * from their number. So a device's next record may go to another partition than its last one, and
 * be read before it. That is why nothing is sent until all that was sent before has been read.
 */
export function watchPartitions(options: PartitionWatchOptions): Disposable {
  const { logs, producer, log, signal, problem } = options
  const counts = new Map(options.partitions)
  let looking = false

  async function look(): Promise<void> {
    const now = await logs.topics([...counts.keys()])
    for (const [topic, had] of counts) {
      const has = now.get(topic)?.partitions
      problem(`topic ${topic}`, has === undefined ? `Kafka has no topic ${topic}` : null)
      if (has === undefined || has === had) continue
      log.warn('the number of partitions has changed', { topic, had, has })
      // A topic that was made anew with fewer partitions has no earlier records.
      if (has > had && options.ordered(topic)) await grow(topic, had, has)
      else producer.setPartitions(topic, has)
      counts.set(topic, has)
    }
  }

  async function grow(topic: Topic, had: number, has: number): Promise<void> {
    const part = `partitions of ${topic}`
    problem(part, `${topic} has ${has} partitions and had ${had}: nothing is sent until all that was sent before has been read`)
    try {
      await producer.hold()
      const ends = (await logs.extents(topic)).filter(({ partition, end, earliest }) => partition < had && end > earliest)
      const deadline = Date.now() + (options.longestHoldMs ?? LONGEST_HOLD_MS)
      for (;;) {
        const readers = await options.readers(topic)
        const read = readers.every((reader) => ends.every(({ partition, end }) => (reader.get(partition) ?? 0n) >= end))
        if (read) break
        if (Date.now() > deadline) {
          log.error('not all that was sent before has been read: records of a device may be read out of order', { topic, had, has })
          break
        }
        await delay(POLL_MS, undefined, { signal })
      }
      producer.setPartitions(topic, has)
      log.info('sending to the new partitions too', { topic, partitions: has })
    } finally {
      // If Kafka could not be asked, the new partitions are taken up at a later look.
      producer.resume()
      problem(part, null)
    }
  }

  const timer = setInterval(() => {
    if (looking || signal.aborted) return
    looking = true
    look()
      .catch((cause: unknown) => log.info('the topics could not be looked at', { cause: String(cause) }))
      .finally(() => {
        looking = false
      })
  }, options.lookMs ?? LOOK_MS)
  timer.unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
