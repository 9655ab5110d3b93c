import type { Clock } from '../../connectors/clock.ts'
import type { Claim, ConsumedBatch, Log, RecordProducer, TopicPartition } from '../../connectors/contract.ts'
import type { ConsumerControls } from '../../connectors/kafka/consumer.ts'
import type { DroppedInputs, ProcessRunner } from '../../connectors/postgres/process-runner.ts'
import type { ConsumerName, KafkaRecord, Lookups } from '../../processors/contract.ts'
import type { DeadLetterWriter } from '../../processors/dead-letter-writer.ts'
import { type BusinessProcess, withLookups } from '../../processors/process.ts'
import { ClaimedPartitions, type ClaimedPartitionsOptions } from '../claimed-partitions.ts'
import type { ConsumerTask } from '../consumer-task.ts'
import type { KafkaOffsets } from '../kafka-offsets.ts'
import type { PartitionGuard } from '../partition-guard.ts'
import type { StageClock } from '../stage-clock.ts'
import type { ProcessCounters } from './counters.ts'
import { DeviceBatch } from './device-batch.ts'

export interface ProcessLoopOptions {
  readonly name: ConsumerName
  readonly businessProcess: BusinessProcess<unknown>
  readonly runner: Pick<ProcessRunner, 'commit' | 'dryRun' | 'lost'>
  readonly lookups: Lookups
  readonly prepare: (records: readonly KafkaRecord[]) => Promise<void>
  /** Claims partitions. Returns where the process resumes each. */
  readonly claim: (partitions: readonly TopicPartition[]) => Promise<readonly Claim[]>
  readonly producer: Pick<RecordProducer, 'send'>
  readonly deadLetters: DeadLetterWriter
  readonly guard: PartitionGuard
  readonly stages: StageClock
  readonly consumer: Pick<ConsumerControls, 'reclaim'>
  readonly offsets: Pick<KafkaOffsets, 'tell'>
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
  readonly counters: ProcessCounters
  /** Health: null while all is well, else what is wrong. */
  readonly problem: (what: string | null) => void
}

/** A partition as the process has claimed it. */
interface ProcessPlace extends TopicPartition {
  readonly epoch: bigint
  /** Position up to which it is committed. */
  position: bigint
}

/**
 * Inputs → what a business process makes of them, effectively once. Each batch is one transaction
 * of the app database, together with its offsets. Its dead letters are written before.
 */
export class ProcessLoop implements ConsumerTask {
  private readonly options: ProcessLoopOptions
  private readonly claimed: ClaimedPartitions<ProcessPlace>
  /** Batches of several partitions take turns, because there is one connection. */
  private turn: Promise<unknown> = Promise.resolve()

  constructor(options: ProcessLoopOptions) {
    this.options = options
    const lost: ClaimedPartitionsOptions['lost'] = (positions) => options.runner.lost(options.name, positions)
    this.claimed = new ClaimedPartitions({ ...options, lost, givenUp: () => undefined })
  }

  claim(partitions: readonly TopicPartition[], generation: number): Promise<readonly Claim[]> {
    return this.claimed.claim(generation, async () => {
      const claims = await this.options.claim(partitions)
      const places = claims.map(({ topic, partition, epoch, nextOffset }) => ({ topic, partition, epoch, position: nextOffset }))
      return { claims, places }
    })
  }

  handle(batch: ConsumedBatch, generation: number): Promise<void> {
    const mine = this.turn.then(() => this.commit(batch, generation))
    this.turn = mine.catch(() => undefined)
    return mine
  }

  revoked(): void {
    this.claimed.revoked()
    this.options.guard.forget()
  }

  async drain(): Promise<void> {
    await this.turn
  }

  private async commit(consumed: ConsumedBatch, generation: number): Promise<void> {
    const { businessProcess, lookups, prepare, stages } = this.options
    await stages.during('lookups', () => prepare(consumed.records))
    const place = this.claimed.get(consumed)
    if (place === undefined) return
    // A copy: tables may change while the batch is handled, and while it is tried again.
    const prepared = { ...lookups }
    const batch = new DeviceBatch(businessProcess, consumed, prepared)
    const handled = withLookups(businessProcess, prepared)
    const refusal = await this.claimed.patiently('committing to the app database', generation, () =>
      this.attempt(handled, batch, place, generation),
    )
    if (refusal !== undefined) throw new Error(refusal)
  }

  /** Commits a batch. If nothing of it may be written, returns the reason. */
  private async attempt(
    businessProcess: BusinessProcess<unknown>,
    batch: DeviceBatch,
    place: ProcessPlace,
    generation: number,
  ): Promise<string | undefined> {
    const { name, runner, guard, stages } = this.options
    const { claimed } = this
    const { topic, partition, records, nextOffset, leaderEpoch } = batch.consumed
    const named = `${topic}/${partition}`
    while (claimed.isCurrent(generation)) {
      if (!batch.known) {
        batch.refuse(await stages.during('database', () => runner.dryRun(name, businessProcess, batch.left)))
        batch.known = true
        continue
      }
      const why = guard.judge(named, records, batch.bad(), () => batch.reasons())
      if (why !== undefined) {
        guard.stop(named, why)
        return why
      }
      await this.writeDeadLetters(batch)
      const moves = [
        {
          topic,
          partition,
          from: place.position,
          to: nextOffset,
          leaderEpoch,
          epoch: place.epoch,
          handled: records.length,
          dead: batch.refused.length,
        },
      ]
      const result = await stages.during('database', () => runner.commit(name, businessProcess, { devices: batch.left, moves }))
      switch (result.tag) {
        case 'committed':
          place.position = nextOffset
          this.count(batch, result.dropped)
          guard.passed(named, records, batch.bad())
          claimed.committed(generation, [{ topic, partition, nextOffset, leaderEpoch }])
          return undefined
        case 'fenced':
          claimed.fenced(generation, result.partitions)
          return undefined
        case 'rejected':
          batch.refuse(result.rejections)
      }
    }
    return undefined
  }

  private async writeDeadLetters(batch: DeviceBatch): Promise<void> {
    const { producer, deadLetters, clock, stages } = this.options
    const unwritten = batch.unwritten()
    if (unwritten.length > 0) await stages.during('sending', () => producer.send(deadLetters(unwritten, clock.nowMs())))
    batch.deadLettersWritten()
  }

  private count(batch: DeviceBatch, dropped: DroppedInputs): void {
    const { counters } = this.options
    counters.commits++
    counters.records += batch.consumed.records.length
    add(counters.rejected, batch.reasons())
    add(counters.dropped, batch.dropped)
    add(counters.dropped, dropped)
  }
}

function add(counts: Map<string, number>, more: ReadonlyMap<string, number>): void {
  for (const [reason, times] of more) counts.set(reason, (counts.get(reason) ?? 0) + times)
}
