import type { MetricReadings } from '../metrics.ts'

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

export function storeReadings(counters: StoreCounters): MetricReadings {
  return {
    millrace_records_total: () => counters.records,
    millrace_inserted_rows_total: () => counters.inserted,
    millrace_readings_total: () => counters.readings,
    millrace_merged_rows_total: () => counters.merged,
    millrace_repeated_rows_total: () => counters.repeated,
    millrace_conflicting_rows_total: () => counters.conflicts,
    millrace_commits_total: () => counters.commits,
    millrace_commit_retries_total: () => counters.retries,
    millrace_fenced_commits_total: () => counters.fenced,
    millrace_rejected_total: () => counters.rejected,
  }
}
