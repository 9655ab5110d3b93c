import type { Clock } from '../connectors/clock.ts'
import type { Log } from '../connectors/contract.ts'
import { Breaker, type BreakerLimits, describeTurned, type Keyed } from './breaker.ts'

export interface PartitionGuardOptions {
  readonly limits: BreakerLimits
  readonly clock: Pick<Clock, 'nowMs'>
  readonly log: Log
  /** Health of one partition: null while it goes on, else why it is stopped. */
  readonly stopped: (partition: string, why: string | null) => void
}

/**
 * Stops partitions in which too many devices have turned bad together, and reports it. The consumer
 * reads them again after a pause, so they go on once the cause is fixed. A partition is named as in
 * `telemetry.frames/0`.
 */
export class PartitionGuard {
  private readonly options: PartitionGuardOptions
  private readonly breaker: Breaker
  private readonly standing = new Set<string>()

  constructor(options: PartitionGuardOptions) {
    this.options = options
    this.breaker = new Breaker(options.limits)
  }

  /**
   * The reason if nothing of the batch may be written; else undefined.
   * @param bad indexes of the records of which anything is refused, ascending
   * @param reasons of the batch's dead letters
   */
  judge(
    partition: string,
    records: readonly Keyed[],
    bad: readonly number[],
    reasons: () => ReadonlyMap<string, number>,
  ): string | undefined {
    const { limits, clock } = this.options
    const turned = this.breaker.judge(records, bad, clock.nowMs())
    return turned === undefined ? undefined : describeTurned(partition, turned, reasons(), limits)
  }

  /** As `judge`, but if nothing of the batch may be written, it stops the partition and throws. */
  check(...batch: Parameters<PartitionGuard['judge']>): void {
    const why = this.judge(...batch)
    if (why === undefined) return
    this.stop(batch[0], why)
    throw new Error(why)
  }

  stop(partition: string, why: string): void {
    this.standing.add(partition)
    this.options.stopped(partition, why)
    this.options.log.error('a partition is stopped', { partition, why })
  }

  /** Notes that a checked batch was written: its partition goes on. */
  passed(partition: string, records: readonly Keyed[], bad: readonly number[]): void {
    this.breaker.passed(records, bad, this.options.clock.nowMs())
    if (this.standing.delete(partition)) this.options.stopped(partition, null)
  }

  /**
   * Forgets which partitions are stopped, except for these. The new owner of the others judges them
   * anew.
   */
  forget(kept: ReadonlySet<string> = NONE): void {
    for (const partition of this.standing) {
      if (kept.has(partition)) continue
      this.standing.delete(partition)
      this.options.stopped(partition, null)
    }
  }
}

const NONE: ReadonlySet<string> = new Set()
