import type { EachBatchPayload } from 'kafkajs'
import type { Topic } from '../../processors/contract.ts'
import { Failures, READ_AGAIN } from '../backoff.ts'
import type { Clock } from '../clock.ts'
import type { ConsumedBatch, KafkaLogs, Log, Position } from '../contract.ts'
import { type AssignedPartitions, placeOf } from './assigned-partitions.ts'
import type { FetchedBatch } from './fetched-batch.ts'
import type { Fetching } from './fetching.ts'

export interface DeliveryOptions {
  readonly assigned: AssignedPartitions
  readonly fetching: Fetching
  readonly handle: (batch: ConsumedBatch, generation: number) => Promise<void>
  readonly logs: KafkaLogs
  readonly reclaim: () => void
  readonly heartbeatMs: number
  readonly clock: Clock
  readonly log: Log
}

/**
 * Hands batches on. A batch is handed on only if it begins exactly at the partition's position, and
 * if what was read before the position is still in the log. What was fetched before a rebalance or
 * a seek is discarded.
 */
export class Delivery {
  private readonly options: DeliveryOptions
  /** Batches of a partition that were not handled, since the last one that was. */
  private readonly failures = new Map<string, Failures>()

  constructor(options: DeliveryOptions) {
    this.options = options
  }

  /** kafkajs fetches the partition again once the promise has resolved. */
  async eachBatch({ batch: fetched, resolveOffset, heartbeat, isRunning, isStale }: EachBatchPayload): Promise<void> {
    const { assigned, fetching, heartbeatMs } = this.options
    const batch = fetched as unknown as FetchedBatch
    const { messages: records, nextOffset, leaderEpoch } = batch
    const place = { topic: batch.topic as Topic, partition: batch.partition }
    const { generation } = assigned
    const position = assigned.position(place)
    if (!isRunning() || isStale() || position === undefined) return
    if (batch.fetchedFrom !== position.nextOffset) {
      fetching.goOn(position)
      return
    }
    if (batch.firstLeaderEpoch !== position.leaderEpoch && position.leaderEpoch >= 0 && !(await this.isStillThere(position, generation)))
      return
    let leave: (cause: unknown) => void = () => undefined
    const rebalanced = new Promise<never>((_, reject) => {
      leave = reject
    })
    // A handler may wait long for a database. After a rebalance the member must still rejoin in
    // time.
    const beating = setInterval(() => {
      heartbeat().catch(leave)
    }, heartbeatMs)
    const work = this.handle(position, { ...place, records, nextOffset, leaderEpoch }, generation)
    try {
      if (!(await Promise.race([work, rebalanced]))) return
    } finally {
      clearInterval(beating)
    }
    if (assigned.isCurrent(generation) && assigned.position(place)?.nextOffset === nextOffset) resolveOffset((nextOffset - 1n).toString())
    await heartbeat()
  }

  /**
   * Whether the batch was handled. If not, the partition is read again from the start of the batch.
   */
  private async handle(position: Position, batch: ConsumedBatch, generation: number): Promise<boolean> {
    const { assigned, handle } = this.options
    const { topic, partition, nextOffset, leaderEpoch } = batch
    try {
      assigned.moveTo({ topic, partition, nextOffset, leaderEpoch })
      await handle(batch, generation)
      this.failures.delete(placeOf(topic, partition))
      return true
    } catch (cause) {
      if (assigned.isCurrent(generation)) this.readAgain(position, generation, cause)
      return false
    }
  }

  /** Whether what was read up to the position is in the log of a later leader. */
  private async isStillThere(position: Position, generation: number): Promise<boolean> {
    const { assigned, logs, fetching, reclaim } = this.options
    try {
      const [checked] = await logs.check([position])
      if (!assigned.isCurrent(generation)) return false
      if (checked?.change === null) return true
      fetching.pause(position)
      reclaim()
    } catch (cause) {
      if (assigned.isCurrent(generation)) this.readAgain(position, generation, cause)
    }
    return false
  }

  /**
   * Pauses a partition for a moment, then reads on from a position. The caller does not wait for
   * it, because a waiting handler would hold up the other partitions of the broker.
   */
  private readAgain(position: Position, generation: number, cause: unknown): void {
    const { assigned, fetching, clock, log } = this.options
    const { topic, partition, nextOffset } = position
    const place = placeOf(topic, partition)
    const failures = this.failures.get(place) ?? new Failures(clock, READ_AGAIN)
    this.failures.set(place, failures)
    const pauseMs = failures.next()
    log.warn('a batch was not handled; reading it again', {
      topic,
      partition,
      offset: String(nextOffset),
      pauseMs: Math.round(pauseMs),
      cause: String(cause),
    })
    assigned.moveTo(position)
    fetching.goOn(position)
    fetching.pause(position)
    clock.after(pauseMs, () => {
      // After a rebalance the claim resumes the partition.
      if (assigned.isCurrent(generation)) fetching.resume(position)
    })
  }
}
