import { Failures, READ_AGAIN } from '../connectors/backoff.ts'
import type { Clock } from '../connectors/clock.ts'
import type { TopicPartition } from '../connectors/contract.ts'
import type { RowBatch } from '../processors/store/row-batch.ts'
import { PartitionGuard, type PartitionGuardOptions } from './partition-guard.ts'

export interface HeldPartitionsOptions extends PartitionGuardOptions {
  readonly clock: Clock
  /** Claims the assigned partitions anew, because one of them is no longer held. */
  readonly reclaim: () => void
}

/**
 * The store's partitions that are stopped while the others go on. Each is left out of claims for a
 * while, and then read again from its committed offset, with what the registry and the database say
 * by then.
 */
export class HeldPartitions {
  private readonly options: HeldPartitionsOptions
  private readonly guard: PartitionGuard
  private readonly held = new Set<string>()
  /** How often each partition was held since its last commit. */
  private readonly failures = new Map<string, Failures>()

  constructor(options: HeldPartitionsOptions) {
    this.options = options
    this.guard = new PartitionGuard(options)
  }

  /**
   * Holds the partitions that the batch must not be committed for. If it returns true, nothing of
   * the batch may be committed.
   */
  stop(batch: RowBatch): boolean {
    if (batch.refused.length === 0) return false
    let any = false
    for (const { topic, partition, records, bad } of batch.outcomes()) {
      const why = this.guard.judge(`${topic}/${partition}`, records, bad, () => reasons(batch, topic, partition))
      if (why === undefined) continue
      any = true
      this.hold({ topic, partition }, why)
    }
    return any
  }

  /** Holds a partition. What was read of it must be read again. */
  hold({ topic, partition }: TopicPartition, why: string): void {
    const place = `${topic}/${partition}`
    const failures = this.failures.get(place) ?? new Failures(this.options.clock, READ_AGAIN)
    this.failures.set(place, failures)
    this.held.add(place)
    this.guard.stop(place, why)
    this.options.clock.after(failures.next(), () => {
      this.held.delete(place)
      this.options.reclaim()
    })
  }

  /** Counts a batch that was committed. */
  committed(batch: RowBatch): void {
    for (const { topic, partition, records, bad } of batch.outcomes()) {
      const place = `${topic}/${partition}`
      this.failures.delete(place)
      this.guard.passed(place, records, bad)
    }
  }

  /** The assigned partitions that are not held. */
  without<Place extends TopicPartition>(assigned: readonly Place[]): readonly Place[] {
    const places = new Set(assigned.map(({ topic, partition }) => `${topic}/${partition}`))
    // A partition that went to another owner is that owner's problem.
    for (const place of this.failures.keys()) if (!places.has(place)) this.failures.delete(place)
    this.guard.forget(places)
    return assigned.filter(({ topic, partition }) => !this.held.has(`${topic}/${partition}`))
  }
}

function reasons({ refused }: RowBatch, topic: string, partition: number): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const each of refused) {
    if (each.topic === topic && each.partition === partition) counts.set(each.reason, (counts.get(each.reason) ?? 0) + 1)
  }
  return counts
}
