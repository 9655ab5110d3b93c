import type { Clock } from '../../connectors/clock.ts'
import type { Claim, ConsumedBatch, Log, ReadingsSink, RecordProducer, TopicPartition } from '../../connectors/contract.ts'
import type { ConsumerControls } from '../../connectors/kafka/consumer.ts'
import type { ConsumerName, KafkaRecord } from '../../processors/contract.ts'
import type { DeadLetterWriter } from '../../processors/dead-letter-writer.ts'
import { CopyWriter } from '../../processors/store/copy-writer.ts'
import { describeNewer, type LayoutLookup } from '../../processors/store/layouts.ts'
import { RowBatch } from '../../processors/store/row-batch.ts'
import { ClaimedPartitions, type ClaimedPartitionsOptions } from '../claimed-partitions.ts'
import type { ConsumerTask } from '../consumer-task.ts'
import type { HeldPartitions } from '../held-partitions.ts'
import type { KafkaOffsets } from '../kafka-offsets.ts'
import type { StageClock } from '../stage-clock.ts'
import { Committer } from './commit.ts'
import type { StoreCounters } from './counters.ts'
import { CommitPacing } from './pacing.ts'
import type { StorePlace } from './place.ts'

export interface StoreLoopOptions {
  readonly name: ConsumerName
  readonly sink: Pick<ReadingsSink, 'commit' | 'dryRun' | 'lost'>
  /** Claims partitions. Returns where the sink resumes each. */
  readonly claim: (partitions: readonly TopicPartition[]) => Promise<readonly Claim[]>
  readonly deadLetters: DeadLetterWriter
  readonly producer: Pick<RecordProducer, 'send'>
  /** Makes the layouts of these records known. Waits through outages. */
  readonly prepare: (records: readonly KafkaRecord[]) => Promise<void>
  readonly layout: (record: KafkaRecord) => LayoutLookup
  readonly batchRows: number
  readonly batchMs: number
  /** How old samples may be when they are received; OLDEST_DAYS if it is not given. */
  readonly oldestDays?: number
  readonly consumer: Pick<ConsumerControls, 'reclaim'>
  readonly offsets: Pick<KafkaOffsets, 'tell'>
  readonly stages: StageClock
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
  readonly counters: StoreCounters
  /** Partitions that are stopped because too many of their devices turned bad. */
  readonly held: HeldPartitions
  /** Health: null while all is well, else what is wrong. */
  readonly problem: (what: string | null) => void
}

/**
 * Readings → rows, effectively once. It fills one batch while the one before is committed, so that
 * decoding and the database work side by side. A third batch waits. The offsets in the database
 * decide where to resume, so what is dropped here at a rebalance or a crash is read again.
 */
export class StoreLoop implements ConsumerTask {
  private readonly options: StoreLoopOptions
  private readonly claimed: ClaimedPartitions<StorePlace>
  private readonly committer: Committer
  private readonly pacing: CommitPacing
  private readonly writers = [new CopyWriter(), new CopyWriter()]
  private rowBatch: RowBatch
  private committing: Promise<void> | undefined

  constructor(options: StoreLoopOptions) {
    this.options = options
    this.rowBatch = this.nextBatch()
    const lost: ClaimedPartitionsOptions['lost'] = (positions) => options.sink.lost(options.name, positions)
    this.claimed = new ClaimedPartitions({ ...options, lost, givenUp: () => this.drop() })
    this.committer = new Committer({ ...options, consumer: options.name, claimed: this.claimed })
    this.pacing = new CommitPacing({
      mostRows: () => this.committer.mostRows(),
      batchMs: options.batchMs,
      clock: options.clock,
      commit: () => void this.turn(),
    })
  }

  claim(partitions: readonly TopicPartition[], generation: number): Promise<readonly Claim[]> {
    const wanted = this.options.held.without(partitions)
    return this.claimed.claim(generation, async () => {
      const claims = await this.options.claim(wanted)
      const places = claims.map(({ topic, partition, epoch, nextOffset, leaderEpoch }) => ({
        topic,
        partition,
        epoch,
        position: nextOffset,
        leaderEpoch,
      }))
      return { claims, places }
    })
  }

  async handle(batch: ConsumedBatch, generation: number): Promise<void> {
    const { prepare, stages } = this.options
    const { claimed, pacing } = this
    await stages.during('lookups', () => prepare(batch.records))
    const place = claimed.get(batch)
    if (place === undefined || !claimed.isCurrent(generation)) return
    place.leaderEpoch = batch.leaderEpoch
    for (let next = 0; next < batch.records.length; ) {
      while (pacing.isFull(this.rowBatch)) {
        await this.turn()
        if (!claimed.isCurrent(generation)) return
      }
      const filled = this.fill(place, batch.records, next)
      if (filled.newer !== undefined) return this.holdBefore(place, generation, describeNewer(filled.newer))
      next = filled.next
    }
    this.moveTo(place, batch.nextOffset)
    pacing.added(this.rowBatch)
  }

  revoked(): void {
    this.claimed.revoked()
  }

  async drain(): Promise<void> {
    await this.turn()
    await this.committing
  }

  /**
   * Adds records from one on until the batch is full, or before one that only a newer store can
   * take: then with the fields that are newer.
   */
  private fill(
    place: StorePlace,
    records: readonly KafkaRecord[],
    from: number,
  ): { readonly next: number; readonly newer?: readonly string[] } {
    const { layout, counters, stages } = this.options
    using _ = stages.enter('handling')
    let next = from
    for (; next < records.length && !this.pacing.isFull(this.rowBatch); next++) {
      const record = records[next] as KafkaRecord
      const lookup = layout(record)
      if (lookup.tag === 'newer') return { next, newer: lookup.fields }
      counters.records++
      this.rowBatch.add(place.topic, place.partition, record, lookup)
      this.moveTo(place, record.offset + 1n)
    }
    return { next }
  }

  private moveTo(place: StorePlace, to: bigint): void {
    this.rowBatch.move(place.topic, place.partition, place.position, to)
    place.position = to
  }

  /** Commits what is filled, as soon as the commit before it is over. */
  private async turn(): Promise<void> {
    while (this.committing !== undefined) await this.committing
    if (this.rowBatch.empty) return
    const { rowBatch } = this
    this.writers.reverse()
    this.pacing.begun()
    this.rowBatch = this.nextBatch()
    const { generation } = this.claimed
    this.committing = this.options.stages
      .during('database', () => this.committer.commit(rowBatch, generation))
      .catch((cause: unknown) => {
        if (!this.options.signal.aborted) this.options.log.error('a batch was given up', { cause: String(cause) })
      })
      .then(() => {
        this.committing = undefined
        this.pacing.committed(this.rowBatch)
      })
  }

  private nextBatch(): RowBatch {
    return new RowBatch(this.writers[0] as CopyWriter, this.options.oldestDays)
  }

  /**
   * Begins another batch: what was filled is dropped and will be read again. The writer stays the
   * same, because a commit that is under way may use the other one.
   */
  private drop(): void {
    this.pacing.dropped()
    this.rowBatch = this.nextBatch()
  }

  /**
   * Commits what came before a record that only a newer store can take, and stops the partition at
   * that record.
   */
  private async holdBefore(place: StorePlace, generation: number, why: string): Promise<void> {
    await this.turn()
    await this.committing
    if (!this.claimed.isCurrent(generation)) return
    this.options.held.hold(place, why)
    this.claimed.startOver()
  }
}
