/** Figures for metrics. */
export interface ProcessCounters {
  records: number
  commits: number
  retries: number
  fenced: number
  readonly rejected: Map<string, number>
}
