import type { Registry } from 'prom-client'
import { counter, counterByReason } from '../metrics.ts'

/** Figures for metrics. */
export interface StoreCounters {
  records: number
  inserted: number
  readings: number
  merged: number
  repeated: number
  conflicts: number
  commits: number
  retries: number
  fenced: number
  readonly rejected: Map<string, number>
}

export function createStoreCounters(): StoreCounters {
  return {
    records: 0,
    inserted: 0,
    readings: 0,
    merged: 0,
    repeated: 0,
    conflicts: 0,
    commits: 0,
    retries: 0,
    fenced: 0,
    rejected: new Map(),
  }
}

/** @param part as in `millrace_store` */
export function storeMetrics(metrics: Registry, part: string, counters: StoreCounters): void {
  const count = (name: string, help: string, read: () => number): void => counter(metrics, `${part}_${name}_total`, help, read)
  count('records', 'Records read.', () => counters.records)
  count('inserted_rows', 'Rows committed that were new.', () => counters.inserted)
  count('readings', 'Values of quantities in the rows committed, repeats included.', () => counters.readings)
  count('merged_rows', 'Rows that added something to the row of their device and time.', () => counters.merged)
  count('repeated_rows', 'Rows that had nothing new.', () => counters.repeated)
  count('conflict_rows', 'Rows that had another value than the row of their device and time.', () => counters.conflicts)
  count('commits', 'Transactions.', () => counters.commits)
  count('commit_retries', 'Commits that failed and were tried again.', () => counters.retries)
  count('fenced', 'Commits refused because another owner had a partition.', () => counters.fenced)
  counterByReason(metrics, `${part}_rejected_total`, 'Dead letters.', () => counters.rejected)
}
