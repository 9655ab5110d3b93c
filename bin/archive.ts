import { openPlace } from '../connectors/archive/open-place.ts'
import { findBackend } from '../connectors/postgres/backend-choice.ts'
import { openSession } from '../connectors/postgres/session.ts'
import { eventLine, planLines } from '../ops/archive/archive-lines.ts'
import { runArchive } from '../ops/archive/run-archive.ts'
import type { ArchiveEvent } from '../processors/store/archive-event.ts'
import { archiveSettings, loadConfig } from '../services/config.ts'
import { telemetryOwner } from '../services/database-users.ts'
import { archivePlan } from '../services/store/archive-due.ts'
import { type ConfigOption, UsageError } from './command-line.ts'
import { print } from './print.ts'

export interface ArchiveOptions extends ConfigOption {
  readonly day?: string | undefined
  readonly dryRun?: true
  readonly adopt?: true
  readonly json?: true
}

/**
 * `millrace partitions archive`: takes days that are due to the archive.
 * @returns 0 if all that was due is done, else 1
 */
export async function archivePartitions({ config: file, day, dryRun, adopt, json }: ArchiveOptions): Promise<number> {
  const config = loadConfig(process.env, file)
  const { archive } = config.storage
  const settings = archiveSettings(config)
  if (archive === undefined || settings === undefined)
    throw new UsageError('storage.archive is not set: expected a directory, or s3://bucket/prefix (docs/archive.md)')
  // A day takes long, and so does what is between two statements.
  const patient = { url: telemetryOwner(config), statementTimeoutMs: 0, answerTimeoutMs: 0, idleInTransactionTimeoutMs: 0 }
  const session = await openSession({ ...patient, applicationName: 'millrace archive' })
  try {
    const look = { session, backend: await findBackend(session, config.store.backend), settings, nowMs: () => Date.now(), day }
    if (dryRun === true) {
      print(...planLines(await archivePlan(look)))
      return 0
    }
    let failed = 0
    const say = (event: ArchiveEvent): void => {
      if (event.event === 'failed' || event.event === 'held') failed++
      print(json === true ? JSON.stringify(event) : eventLine(event))
    }
    await using place = await openPlace(archive, process.env)
    const openExport = () => openSession({ ...patient, applicationName: 'millrace archive export' })
    await runArchive({ ...look, place, openExport, conflicts: config.store.conflicts, adopt: adopt ?? false }, say)
    return failed === 0 ? 0 : 1
  } finally {
    await session.close()
  }
}
