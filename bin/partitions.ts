import type { StorageBackend } from '../connectors/postgres/backend.ts'
import { findBackend } from '../connectors/postgres/backend-choice.ts'
import { createDatabase } from '../connectors/postgres/database.ts'
import type { Session } from '../connectors/postgres/session.ts'
import { drainStrays, partitionLines, partitionReport } from '../ops/partitions.ts'
import { archiveSettings, type Config, loadConfig, partitionSettings } from '../services/config.ts'
import { telemetryOwner } from '../services/database-users.ts'
import type { ConfigOption } from './command-line.ts'
import { print } from './print.ts'

/**
 * `millrace partitions`: the partitions of `readings`, and the rows outside them.
 * @returns 0 if no row is outside, else 1
 */
export function listPartitions({ config: path, json }: ConfigOption & { readonly json?: true }): Promise<number> {
  const config = loadConfig(process.env, path)
  return withReadings(config, async (backend, session) => {
    const report = await partitionReport(backend, session, partitionSettings(config), Date.now(), archiveSettings(config)?.afterDays)
    if (json === true) print(JSON.stringify(report, undefined, 2))
    else print(...partitionLines(report))
    return report.strays.days.length === 0 ? 0 : 1
  })
}

/**
 * `millrace partitions drain`: gives these rows partitions for their days.
 * @returns 0 if no row is left outside, else 1
 */
export function drainPartitions({ config }: ConfigOption): Promise<number> {
  return withReadings(loadConfig(process.env, config), async (backend, session) =>
    (await drainStrays(backend, session, print)) === 0 ? 0 : 1,
  )
}

async function withReadings(config: Config, work: (backend: StorageBackend, session: Session) => Promise<number>): Promise<number> {
  await using database = createDatabase({
    url: telemetryOwner(config),
    applicationName: 'millrace partitions',
    // Moving many rows takes long.
    statementTimeoutMs: 0,
    answerTimeoutMs: 0,
  })
  return await database.use(async (session) => work(await findBackend(session, config.store.backend), session))
}
