/** Figures for metrics. */
export interface ProcessCounters {
  records: number
  commits: number
  retries: number
  fenced: number
  /** Inputs that were left out on purpose, by reason. */
  readonly dropped: Map<string, number>
  readonly rejected: Map<string, number>
}
