import type { ConsumedBatch, Log, RecordProducer } from '../../connectors/contract.ts'
import type { DeviceId, KafkaRecord, Lookups, OutgoingRecord } from '../../processors/contract.ts'
import type { KafkaOffsets } from '../kafka-offsets.ts'
import type { PartitionGuard } from '../partition-guard.ts'
import type { StageClock } from '../stage-clock.ts'
import { addCounters, createEngineCounters, type Engine, type EngineCounters } from './engine.ts'

export interface ProcessorLoopOptions {
  readonly engine: Engine
  readonly lookups: Lookups
  /** Prepares the look-ups for these records. Waits through outages. */
  readonly prepare: (records: readonly KafkaRecord[]) => Promise<void>
  /**
   * Devices that only the messages name, and that the database must be asked for. Absent if keys
   * name all devices.
   */
  readonly unsure?: Unsure
  readonly producer: RecordProducer
  /** They are forgotten when partitions are taken away. */
  readonly offsets: Pick<KafkaOffsets, 'tell'>
  readonly log: Log
  readonly counters: EngineCounters
  readonly guard: PartitionGuard
  readonly stages: StageClock
}

/** Look-ups that had no certain answer. */
export interface Unsure {
  /** Those since the last call. */
  take(): ReadonlySet<DeviceId>
  /** Makes the answers for them definitive; waits through outages. */
  settle(devices: ReadonlySet<DeviceId>): Promise<void>
}

/** What the consumer of a processor's topic calls. */
export interface ProcessorLoop {
  handle(batch: ConsumedBatch, generation: number): Promise<void>
  /**
   * Forgets what was under way. It is not committed, so the next owner of the partition reads it
   * again.
   */
  revoked(): void
  /** Waits for what is under way. */
  drain(): Promise<void>
}

/** Most batches that wait for Kafka's acknowledgement while the next is processed. */
const MOST_UNDER_WAY = 8
/**
 * Most bytes of them, not counting the batch that passes this limit. Catching up must not cost more
 * memory than keeping up.
 */
const MOST_BYTES_UNDER_WAY = 16 << 20

/** At least once: an offset is committed after Kafka has acknowledged all outputs of its record. */
export function createProcessorLoop(options: ProcessorLoopOptions): ProcessorLoop {
  const { engine, lookups, prepare, producer, offsets, log, guard, stages } = options
  let current = 0
  const underWay = new Set<Promise<void>>()
  let bytesUnderWay = 0

  /**
   * The outputs of a batch. Throws if too many devices have turned bad: then nothing is sent, and
   * the partition is read again after a pause.
   */
  async function processed(batch: ConsumedBatch, generation: number): Promise<readonly OutgoingRecord[]> {
    const { unsure } = options
    if (unsure === undefined) return run(batch, () => false) ?? []
    let names: ReadonlySet<DeviceId> = new Set()
    const first = run(batch, () => {
      names = unsure.take()
      return names.size > 0
    })
    if (first !== undefined) return first
    await stages.during('lookups', () => unsure.settle(names))
    return generation === current ? (run(batch, () => false) ?? []) : []
  }

  /** Undefined if a look-up had no certain answer. */
  function run({ topic, partition, records }: ConsumedBatch, unsure: () => boolean): readonly OutgoingRecord[] | undefined {
    using _ = stages.enter('handling')
    const counters = createEngineCounters()
    const result = engine(records, { topic, partition, nowMs: Date.now() }, lookups, counters, unsure)
    if (result.unsure) return undefined
    const { sent, judged = records, bad } = result
    const place = `${topic}/${partition}`
    guard.check(place, judged, bad, () => counters.rejected)
    guard.passed(place, judged, bad)
    addCounters(options.counters, counters)
    return sent
  }

  async function deliver(
    { topic, partition, nextOffset, leaderEpoch }: ConsumedBatch,
    outgoing: readonly OutgoingRecord[],
    generation: number,
    before: Promise<void>,
  ): Promise<void> {
    const sent = producer.send(outgoing)
    await before
    await sent
    if (generation !== current) return
    offsets.tell([{ topic, partition, nextOffset, leaderEpoch }])
  }

  let last: Promise<void> = Promise.resolve()

  return {
    async handle(batch, generation) {
      current = Math.max(current, generation)
      await stages.during('lookups', () => prepare(batch.records))
      await stages.during('sending', async () => {
        while (underWay.size >= MOST_UNDER_WAY || bytesUnderWay >= MOST_BYTES_UNDER_WAY) await Promise.race(underWay)
      })
      if (generation !== current) return
      // An acknowledgement counts once those before it have come, so that offsets never pass a
      // batch that failed.
      const outgoing = await processed(batch, generation)
      if (generation !== current) return
      const bytes = outgoing.reduce((sum, { value }) => sum + value.length, 0)
      bytesUnderWay += bytes
      const delivery = deliver(batch, outgoing, generation, last)
      last = delivery
      const settled: Promise<void> = delivery
        .catch((cause: unknown) => {
          log.info('sending was given up; its offsets stay uncommitted', { cause: String(cause) })
        })
        .finally(() => {
          bytesUnderWay -= bytes
          underWay.delete(settled)
        })
      underWay.add(settled)
    },
    revoked() {
      current++
      last = Promise.resolve()
      guard.forget()
    },
    async drain() {
      await Promise.all(underWay)
    },
  }
}
