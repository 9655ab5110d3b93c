import { directoryPlace } from '../../connectors/archive/directory-place.ts'
import type { BackendName } from '../../connectors/postgres/backend.ts'
import { findBackend } from '../../connectors/postgres/backend-choice.ts'
import { openSession } from '../../connectors/postgres/session.ts'
import { restoreDay } from '../../ops/archive/restore-day.ts'
import { type ArchiveRun, runArchive } from '../../ops/archive/run-archive.ts'
import type { ArchiveEvent } from '../../processors/store/archive-event.ts'
import type { ConflictPolicy } from '../../processors/store/merge-columns.ts'

/**
 * Noon of the day that is today for care-rig.ts, which a run in a process of its own need not load.
 */
const NOON_MS = Date.UTC(2026, 10, 23, 12)

export interface RunOptions {
  readonly url: string
  readonly backend: BackendName
  readonly directory: string
  readonly conflicts?: ConflictPolicy
  readonly nowMs?: number
  readonly databaseMs?: number
  readonly afterDays?: number
  readonly retentionDays?: number
  readonly day?: string
  readonly adopt?: boolean
  /** Brings this day back, in place of a run. */
  readonly restore?: string
  /** Changes of what the run is given. */
  readonly change?: (run: ArchiveRun) => ArchiveRun
}

/** One run of the archive, as the command makes it. */
export async function archiveOnce(options: RunOptions): Promise<readonly ArchiveEvent[]> {
  const { url, nowMs = NOON_MS, databaseMs = nowMs, afterDays = 1, change = (run) => run } = options
  const session = await openSession({ url, applicationName: 'test archive' })
  const events: ArchiveEvent[] = []
  try {
    await using place = await directoryPlace(options.directory)
    const run: ArchiveRun = {
      session,
      backend: await findBackend(session, options.backend),
      place,
      openExport: () => openSession({ url, applicationName: 'test export', statementTimeoutMs: 0, answerTimeoutMs: 0 }),
      conflicts: options.conflicts ?? 'keep-first',
      adopt: options.adopt ?? false,
      nowMs: () => nowMs,
      databaseMs: async () => databaseMs,
      settings: { afterDays, retentionDays: options.retentionDays },
      day: options.day,
    }
    const say = (event: ArchiveEvent): void => void events.push(event)
    if (options.restore === undefined) await runArchive(change(run), say)
    else await restoreDay({ ...change(run), day: options.restore, rollups: true }, say)
  } finally {
    await session.close()
  }
  return events
}
