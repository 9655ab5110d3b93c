import { setTimeout as delay } from 'node:timers/promises'
import { backoffMs } from '../../connectors/backoff.ts'
import type {
  Claim,
  ConsumedBatch,
  Log,
  Position,
  ReadingsSink,
  RecordProducer,
  SinkBatch,
  TopicPartition,
} from '../../connectors/contract.ts'
import type { ConsumerName, KafkaRecord, Topic } from '../../processors/contract.ts'
import type { DeadLetterWriter } from '../../processors/dead-letter-writer.ts'
import { CopyWriter } from '../../processors/store/copy-writer.ts'
import { describeNewer, type LayoutLookup } from '../../processors/store/layouts.ts'
import { RowBatch } from '../../processors/store/row-batch.ts'
import type { HeldPartitions } from '../held-partitions.ts'
import { createCommitter } from './commit.ts'
import type { StoreCounters } from './counters.ts'

export interface StoreLoopOptions {
  readonly consumer: ConsumerName
  readonly sink: ReadingsSink
  /** Takes partitions: where the sink goes on with each. */
  readonly claim: (partitions: readonly TopicPartition[]) => Promise<readonly Claim[]>
  readonly deadLetters: DeadLetterWriter
  readonly producer: RecordProducer
  /** Makes layouts definitive for these records; waits through outages. */
  readonly prepare: (records: readonly KafkaRecord[]) => Promise<void>
  readonly layout: (record: KafkaRecord) => LayoutLookup
  readonly batchRows: number
  readonly batchMs: number
  readonly log: Log
  readonly signal: AbortSignal
  readonly counters: StoreCounters
  /** Where partitions are, after a claim and after a commit: for lag tools. */
  readonly committed: (positions: readonly Position[]) => void
  /** Another owner committed or claimed: ask for the partitions anew. */
  readonly reclaim: () => void
  /** Partitions that are stopped because too much of them is bad. */
  readonly held: HeldPartitions
  /** Health: null while all is well, else what is wrong. */
  readonly problem: (what: string | null) => void
}

/** What the consumer of the store's topic calls. */
export interface StoreLoop {
  claim(partitions: readonly TopicPartition[], generation: number): Promise<readonly Claim[]>
  handle(batch: ConsumedBatch, generation: number): Promise<void>
  revoked(): void
  /** Commits what is there, then stops. */
  drain(): Promise<void>
}

const BACKOFF = { baseMs: 100, maxMs: 10_000 }
/** Bytes of COPY that make a batch full before its rows do. */
const FULL_BYTES = 8 << 20
/**
 * Days that do: each may be a new chunk, which takes 11 locks of the transaction. With the record
 * that passes it, 131 days at most.
 */
const FULL_DAYS = 32

interface Owned {
  readonly epoch: bigint
  position: bigint
  /**
   * Of the last batch: those before it were of this epoch's log too, or the partition would have
   * been claimed anew.
   */
  leaderEpoch: number
}

/**
 * Fills one batch while the one before it is committed, so that decoding and the database work side
 * by side; a third waits. The offsets in the database decide where to go on: whatever is dropped
 * here on a rebalance or a crash is read again from there.
 */
export function createStoreLoop(options: StoreLoopOptions): StoreLoop {
  const { log, signal, counters } = options
  const committer = createCommitter(options)
  const writers = [new CopyWriter(), new CopyWriter()]
  let rowBatch = new RowBatch(writers[0] as CopyWriter)
  let current = 0
  let owned = new Map<string, Owned>()
  let committing: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined

  function full(): boolean {
    return rowBatch.rows >= committer.mostRows() || rowBatch.bytes >= FULL_BYTES || rowBatch.dayCount >= FULL_DAYS
  }

  /** Starts committing what is filled, as soon as the commit before it is over. */
  async function turn(): Promise<void> {
    while (committing !== undefined) await committing
    if (rowBatch.empty) return
    clearTimeout(timer)
    timer = undefined
    const batch = rowBatch
    const [generation, epochs] = [current, owned]
    writers.reverse()
    rowBatch = new RowBatch(writers[0] as CopyWriter)
    committing = commit(batch, generation, epochs)
      .catch((cause: unknown) => {
        if (!signal.aborted) log.error('a batch was given up', { cause: String(cause) })
      })
      .finally(() => {
        committing = undefined
        if (full()) void turn()
      })
  }

  async function commit(batch: RowBatch, generation: number, epochs: ReadonlyMap<string, Owned>): Promise<void> {
    const end = await committer.commit({
      rowBatch: batch,
      prepare: (part) => sinkBatch(part, epochs),
      current: () => generation === current,
      committed: ({ moves }) =>
        options.committed(moves.map(({ topic, partition, to, leaderEpoch }) => ({ topic, partition, nextOffset: to, leaderEpoch }))),
    })
    if (end === 'start-over') startOver()
  }

  function startOver(): void {
    forget()
    options.reclaim()
  }

  /** Drops what was read but not committed: it will be read again. */
  function forget(): void {
    clearTimeout(timer)
    timer = undefined
    owned = new Map()
    rowBatch = new RowBatch(writers[0] as CopyWriter)
  }

  return {
    async claim(partitions, generation) {
      current = generation
      forget()
      const wanted = options.held.without(partitions)
      for (let attempt = 0; ; attempt++) {
        try {
          const claims = await options.claim(wanted)
          if (generation !== current) return []
          for (const { topic, partition, epoch, nextOffset, leaderEpoch } of claims)
            owned.set(key(topic, partition), { epoch, position: nextOffset, leaderEpoch })
          options.committed(claims)
          options.problem(null)
          return claims
        } catch (cause) {
          signal.throwIfAborted()
          if (generation !== current) return []
          options.problem(`claiming partitions in the database: ${String(cause)}`)
          log.warn('could not claim partitions in the database; trying again', { attempt, cause: String(cause) })
          await delay(backoffMs(attempt, BACKOFF, Math.random), undefined, { signal })
        }
      }
    },

    async handle({ topic, partition, records, nextOffset, leaderEpoch }, generation) {
      await options.prepare(records)
      const taken = owned.get(key(topic, partition))
      if (taken === undefined || generation !== current) return
      taken.leaderEpoch = leaderEpoch
      for (const record of records) {
        while (full() && generation === current) await turn()
        const lookup = options.layout(record)
        if (lookup.tag === 'newer') return holdBefore(topic, partition, generation, describeNewer(lookup.fields))
        if (!add(topic, partition, generation, record, lookup)) return
      }
      const place = owned.get(key(topic, partition))
      if (place === undefined || generation !== current) return
      moveTo(topic, partition, place, nextOffset)
      timer ??= setTimeout(() => void turn(), options.batchMs)
      if (full() && committing === undefined) void turn()
    },

    revoked() {
      current = -1
      forget()
    },

    async drain() {
      await turn()
      await committing
    },
  }

  /**
   * Commits what came before a record that only a newer store can take, and leaves the partition
   * there.
   */
  async function holdBefore(topic: Topic, partition: number, generation: number, why: string): Promise<void> {
    await turn()
    await committing
    if (generation !== current) return
    options.held.hold({ topic, partition }, why)
    startOver()
  }

  function add(topic: Topic, partition: number, generation: number, record: KafkaRecord, lookup: LayoutLookup): boolean {
    const place = owned.get(key(topic, partition))
    if (place === undefined || generation !== current) return false
    counters.records++
    rowBatch.add(topic, partition, record, lookup)
    moveTo(topic, partition, place, record.offset + 1n)
    return true
  }

  function moveTo(topic: Topic, partition: number, place: Owned, to: bigint): void {
    rowBatch.move(topic, partition, place.position, to)
    place.position = to
  }
}

function sinkBatch(batch: RowBatch, epochs: ReadonlyMap<string, Owned>): SinkBatch {
  const moves = batch.moves().map((move) => {
    const { epoch, leaderEpoch } = epochs.get(key(move.topic, move.partition)) ?? { epoch: -1n, leaderEpoch: -1 }
    return { ...move, epoch, leaderEpoch }
  })
  return { copy: batch.finish(), rows: batch.rows, days: batch.days, moves }
}

function key(topic: string, partition: number): string {
  return `${topic}/${partition}`
}
