import type { Registry } from 'prom-client'
import type { IntakeCounters } from '../../processors/continuity/intake.ts'
import type { LedgerCounters } from '../../processors/continuity/ledger.ts'
import { counter } from '../metrics.ts'

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

/** @param part as in `millrace_continuity` */
export function continuityMetrics(metrics: Registry, part: string, counters: ContinuityCounters): void {
  const count = (name: string, help: string, read: () => number): void => counter(metrics, `${part}_${name}_total`, help, read)
  count('records', 'Readings taken.', () => counters.readings)
  count('letters', 'Dead letters taken.', () => counters.deadLetters)
  count('unreadable', 'Records that are not what their topic holds.', () => counters.unreadable)
  count(
    'implausible',
    'Frames whose number is too high for the time that has passed, or that say they follow more discarded samples than can be.',
    () => counters.implausible,
  )
  count('late', 'Frames of boots that were folded, or of numbers that were settled.', () => counters.late)
  count('loads', 'Queries for boots that were not in memory.', () => counters.loads)
  count('commits', 'Transactions.', () => counters.commits)
  count('retries', 'Queries that failed and were tried again.', () => counters.retries)
  count('fenced', 'Commits refused because another owner had a partition.', () => counters.fenced)
}
