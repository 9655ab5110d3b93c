import { openPlace } from '../connectors/archive/open-place.ts'
import type { ArchivePlace } from '../connectors/archive/place.ts'
import { findBackend } from '../connectors/postgres/backend-choice.ts'
import { openSession } from '../connectors/postgres/session.ts'
import { eventLine, planLines } from '../ops/archive/archive-lines.ts'
import { restoreDay } from '../ops/archive/restore-day.ts'
import { type ArchiveRun, runArchive } from '../ops/archive/run-archive.ts'
import type { ArchiveEvent } from '../processors/store/archive-event.ts'
import { archiveSettings, type Config, loadConfig } from '../services/config.ts'
import { telemetryOwner } from '../services/database-users.ts'
import { archivePlan } from '../services/store/archive-due.ts'
import { type ConfigOption, UsageError } from './command-line.ts'
import { print } from './print.ts'

export interface RestoreOptions extends ConfigOption {
  readonly json?: true
}

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
export function archivePartitions({ config, day, dryRun, adopt, json }: ArchiveOptions): Promise<number> {
  return withArchive(config, { adopt: adopt ?? false, day, json }, async (run, say) => {
    if (dryRun === true) {
      print(...planLines(await archivePlan(run)))
      return
    }
    await using place = await run.open()
    await runArchive({ ...run, place }, say)
  })
}

/**
 * `millrace partitions restore`: brings an archived day back into the table.
 * @returns 0 if it is there, else 1
 */
export function restorePartition(day: string, { config, json }: RestoreOptions): Promise<number> {
  return withArchive(config, { adopt: false, day, json }, async (run, say, { store }) => {
    await using place = await run.open()
    await restoreDay({ ...run, place, day, rollups: store.rollups === 'kept' }, say)
  })
}

/** A run whose archive is not open yet: a dry run needs none. */
interface Opening extends Omit<ArchiveRun, 'place'> {
  readonly open: () => Promise<ArchivePlace>
}

/** @returns 1 if something that was said failed, or could not be done, else 0 */
async function withArchive(
  file: string | undefined,
  { day, adopt, json }: { readonly day: string | undefined; readonly adopt: boolean; readonly json: true | undefined },
  work: (run: Opening, say: (event: ArchiveEvent) => void, config: Config) => Promise<void>,
): Promise<number> {
  const config = loadConfig(process.env, file)
  const { archive } = config.storage
  const settings = archiveSettings(config)
  if (archive === undefined || settings === undefined)
    throw new UsageError('storage.archive is not set: expected a directory, or s3://bucket/prefix (docs/archive.md)')
  // A day takes long, and so does what is between two statements.
  const patient = { url: telemetryOwner(config), statementTimeoutMs: 0, answerTimeoutMs: 0, idleInTransactionTimeoutMs: 0 }
  const session = await openSession({ ...patient, applicationName: 'millrace archive' })
  try {
    let failed = 0
    const run: Opening = {
      session,
      backend: await findBackend(session, config.store.backend),
      settings,
      open: () => openPlace(archive, process.env),
      openExport: () => openSession({ ...patient, applicationName: 'millrace archive export' }),
      conflicts: config.store.conflicts,
      adopt,
      nowMs: () => Date.now(),
      day,
    }
    await work(
      run,
      (event) => {
        if (event.event === 'failed' || event.event === 'held') failed++
        print(json === true ? JSON.stringify(event) : eventLine(event))
      },
      config,
    )
    return failed === 0 ? 0 : 1
  } finally {
    await session.close()
  }
}
