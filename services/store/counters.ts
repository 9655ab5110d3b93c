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
