import type { Log } from '../connectors/contract.ts'
import { type BadRecords, type BadShare, describeBadShare } from './bad-share.ts'

/** Stops partitions of which too much is bad: they are read again after a pause, and go on once their cause is mended. */
export interface PartitionGuard {
  /**
   * Throws where too much of a partition's latest records, these included, give nothing but dead letters: nothing of the batch may be written.
   * @param partition as in `telemetry.frames/0`
   * @param reasons of the batch's dead letters
   */
  check(partition: string, batch: BadRecords, reasons: ReadonlyMap<string, number>): void
  /** Counts a batch that was checked and is written. */
  passed(partition: string, batch: BadRecords): void
  /** Forgets which are stopped: whoever has the partitions now judges them anew. */
  forget(): void
}

export interface PartitionGuardOptions {
  readonly badShare: BadShare
  readonly log: Log
  /** Health of one partition: null while it goes on, else why it is stopped. */
  readonly stopped: (partition: string, why: string | null) => void
}

export function createPartitionGuard({ badShare, log, stopped }: PartitionGuardOptions): PartitionGuard {
  const standing = new Set<string>()
  return {
    check(partition, batch, reasons) {
      const tooBad = badShare.judge(partition, batch)
      if (tooBad === undefined) return
      const why = describeBadShare(partition, tooBad, reasons)
      stopped(partition, why)
      standing.add(partition)
      log.error('a partition is stopped', { partition, why })
      throw new Error(why)
    },
    passed(partition, batch) {
      badShare.count(partition, batch)
      if (standing.delete(partition)) stopped(partition, null)
    },
    forget() {
      for (const partition of standing) stopped(partition, null)
      standing.clear()
    },
  }
}
