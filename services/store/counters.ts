import { Distribution } from '../distribution.ts'
import type { MetricReadings } from '../metrics.ts'
import type { ArchiveJob } from './archive.ts'
import type { FramesArchive } from './frames-archive.ts'
import type { PartitionCare } from './partition-care.ts'

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
  /** Hours of devices whose roll-ups are not up to date; NaN until they are counted. */
  rollupPending: number
  /** Days whose roll-ups, of hours or of the day, were dropped. */
  rollupDaysDropped: number
  readonly rejected: Map<string, number>
  /** How long it takes until a record's commit, from its newest sample and from its receipt. */
  readonly latency: { readonly sample: Distribution; readonly receipt: Distribution }
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
    rollupPending: Number.NaN,
    rollupDaysDropped: 0,
    rejected: new Map(),
    latency: { sample: new Distribution(), receipt: new Distribution() },
  }
}

export function storeReadings(counters: StoreCounters): MetricReadings {
  return {
    millrace_records_total: () => counters.records,
    millrace_inserted_rows_total: () => counters.inserted,
    millrace_rollup_pending_hours: () => counters.rollupPending,
    millrace_rollup_dropped_days_total: () => counters.rollupDaysDropped,
    millrace_readings_total: () => counters.readings,
    millrace_merged_rows_total: () => counters.merged,
    millrace_repeated_rows_total: () => counters.repeated,
    millrace_store_conflicts_total: () => counters.conflicts,
    millrace_commits_total: () => counters.commits,
    millrace_commit_retries_total: () => counters.retries,
    millrace_fenced_commits_total: () => counters.fenced,
    millrace_rejected_total: () => counters.rejected,
    millrace_latency_seconds: () => Object.entries(counters.latency),
  }
}

export function careReadings(care: Pick<PartitionCare, 'figures'>): MetricReadings {
  return {
    millrace_stray_rows: () => care.figures().strayRows,
    millrace_stray_days: () => care.figures().strayDays,
    millrace_partition_days_ready: () => care.figures().daysReady,
    millrace_partitions_made_total: () => care.figures().made,
    millrace_partitions_dropped_total: () => care.figures().dropped,
    millrace_moved_stray_rows_total: () => care.figures().movedRows,
    millrace_dropped_stray_rows_total: () => care.figures().droppedRows,
    millrace_partition_care_failures_total: () => care.figures().failures,
  }
}

const NOTHING_ARCHIVED = { days: 0, rows: 0, conflicts: 0, removed: 0, failures: 0 }

/** @param archive undefined if days are not archived */
export function archiveReadings(archive: Pick<ArchiveJob, 'figures'> | undefined): MetricReadings {
  const figures = (): ReturnType<ArchiveJob['figures']> => archive?.figures() ?? NOTHING_ARCHIVED
  return {
    millrace_archived_days_total: () => figures().days,
    millrace_archived_rows_total: () => figures().rows,
    millrace_archive_conflicts_total: () => figures().conflicts,
    millrace_archive_removed_days_total: () => figures().removed,
    millrace_archive_failures_total: () => figures().failures,
  }
}

const NO_FRAMES = { records: 0, files: 0, lost: 0, failures: 0 }

/** @param archive undefined if what devices send is not archived */
export function framesReadings(archive: Pick<FramesArchive, 'figures'> | undefined): MetricReadings {
  const figures = (): ReturnType<FramesArchive['figures']> => archive?.figures() ?? NO_FRAMES
  return {
    millrace_archived_frames_total: () => figures().records,
    millrace_archived_frame_files_total: () => figures().files,
    millrace_frames_lost_before_archive_total: () => figures().lost,
    millrace_frames_archive_failures_total: () => figures().failures,
  }
}
