import type { Log, PositionChange } from '../connectors/contract.ts'
import { forAWhile } from './for-a-while.ts'
import type { MetricReadings } from './metrics.ts'

/** Figures for metrics. */
export class PositionCounters {
  /**
   * How often a log was found cut below a position, and how many offsets that were read are gone.
   */
  truncations = 0
  truncatedOffsets = 0
  /** Records that retention deleted before they were read. */
  lostOffsets = 0
  /** Partitions whose topic was recreated. */
  recreated = 0
}

export function positionReadings(counters: PositionCounters): MetricReadings {
  return {
    millrace_lost_offsets_total: () => counters.lostOffsets,
    millrace_truncations_total: () => counters.truncations,
    millrace_truncated_offsets_total: () => counters.truncatedOffsets,
    millrace_recreated_partitions_total: () => counters.recreated,
  }
}

export interface PositionChangesOptions {
  readonly log: Log
  readonly counters: PositionCounters
  /** Health, by partition: what was lost there lately. */
  readonly problem: (part: string, what: string | null) => void
}

/**
 * How long health reports an event that is over, so that somebody who looks now and then sees it.
 * The counters keep it.
 */
const TOLD_MS = 600_000

/** Reports an event that is over to health, for a while, by partition. */
export function tellOfLogs(problem: PositionChangesOptions['problem']): (place: string, what: string) => void {
  const tell = forAWhile(problem, TOLD_MS)
  return (place, what) => tell(`log of ${place}`, `${what} (noticed at ${new Date().toISOString()})`)
}

/** Logs, counts and reports to health what Kafka no longer has. */
export function createPositionChanges({ log, counters, problem }: PositionChangesOptions): (change: PositionChange) => void {
  const tell = tellOfLogs(problem)
  return ({ topic, partition, tag, from, to }) => {
    const place = `${topic}/${partition}`
    const fields = { topic, partition, from: String(from), to: String(to) }
    switch (tag) {
      case 'truncated':
        counters.truncations++
        counters.truncatedOffsets += Number(from - to)
        log.error('Kafka lost records that were read before: its log was cut. Going on where it was, with what was written since', fields)
        tell(
          place,
          `Kafka's log was cut: ${from - to} offsets, ${to} to ${from - 1n}, that were read before are gone; whoever had not read them has lost them. ` +
            `Reading goes on at ${to}`,
        )
        return
      case 'deleted':
        counters.lostOffsets += Number(to - from)
        log.error('records were deleted by retention before they were read', fields)
        tell(place, `retention deleted ${to - from} offsets, ${from} to ${to - 1n}, before they were read`)
        return
      case 'recreated':
        counters.recreated++
        log.warn('the topic was recreated: starting at its beginning', { topic, partition, offset: String(to) })
    }
  }
}
