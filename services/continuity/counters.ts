import type { IntakeCounters } from '../../processors/continuity/intake.ts'
import type { LedgerCounters } from '../../processors/continuity/ledger.ts'
import type { MetricReadings } from '../metrics.ts'

/** Figures for metrics. */
export interface ContinuityCounters extends IntakeCounters, LedgerCounters {
  loads: number
  commits: number
  retries: number
  fenced: number
}

export function createContinuityCounters(): ContinuityCounters {
  return { readings: 0, deadLetters: 0, unreadable: 0, implausible: 0, late: 0, loads: 0, commits: 0, retries: 0, fenced: 0 }
}

export function continuityReadings(counters: ContinuityCounters): MetricReadings {
  return {
    millrace_records_total: () => counters.readings + counters.deadLetters,
    millrace_dead_letters_read_total: () => counters.deadLetters,
    millrace_unreadable_records_total: () => counters.unreadable,
    millrace_implausible_frames_total: () => counters.implausible,
    millrace_late_frames_total: () => counters.late,
    millrace_boot_loads_total: () => counters.loads,
    millrace_commits_total: () => counters.commits,
    millrace_query_retries_total: () => counters.retries,
    millrace_fenced_commits_total: () => counters.fenced,
  }
}
