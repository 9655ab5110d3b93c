import type { Log } from '../connectors/contract.ts'
import type { KafkaRecord } from '../processors/contract.ts'
import { Breaker, type BreakerLimits, describeTurned } from './breaker.ts'

/**
 * Stops partitions in which too many devices have turned bad together. They are read again after a
 * pause, and go on once the cause is fixed.
 */
export interface PartitionGuard {
  /**
   * Throws if nothing of the batch may be written.
   * @param partition as in `telemetry.frames/0`
   * @param bad indexes of the records of which anything is refused, ascending
   * @param reasons of the batch's dead letters
   */
  check(partition: string, records: readonly KafkaRecord[], bad: readonly number[], reasons: ReadonlyMap<string, number>): void
  /** Notes a batch that was checked and is written. */
  passed(partition: string, records: readonly KafkaRecord[], bad: readonly number[]): void
  /** Forgets which partitions are stopped: their new owner judges them anew. */
  forget(): void
}

export interface PartitionGuardOptions {
  readonly limits: BreakerLimits
  readonly log: Log
  /** Health of one partition: null while it goes on, else why it is stopped. */
  readonly stopped: (partition: string, why: string | null) => void
}

export function createPartitionGuard({ limits, log, stopped }: PartitionGuardOptions): PartitionGuard {
  const breaker = new Breaker(limits)
  const standing = new Set<string>()
  return {
    check(partition, records, bad, reasons) {
      const turned = breaker.judge(records, bad, Date.now())
      if (turned === undefined) return
      const why = describeTurned(partition, turned, reasons, limits)
      stopped(partition, why)
      standing.add(partition)
      log.error('a partition is stopped', { partition, why })
      throw new Error(why)
    },
    passed(partition, records, bad) {
      breaker.passed(records, bad, Date.now())
      if (standing.delete(partition)) stopped(partition, null)
    },
    forget() {
      for (const partition of standing) stopped(partition, null)
      standing.clear()
    },
  }
}
