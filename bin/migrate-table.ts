import { createDatabase } from '../connectors/postgres/database.ts'
import { makesHypertables, readingsBackend } from '../connectors/postgres/table-target.ts'
import { migrateTable as migrate } from '../ops/migrate-table.ts'
import { loadConfig, partitionSettings } from '../services/config.ts'
import { telemetryOwner } from '../services/database-users.ts'
import type { ConfigOption } from './command-line.ts'
import { print } from './print.ts'

export interface MigrateTableOptions extends ConfigOption {
  readonly time?: string | undefined
  readonly device?: string | undefined
  readonly map?: Readonly<Record<string, string>> | undefined
  readonly keep?: readonly string[] | undefined
  readonly key?: readonly string[] | undefined
  readonly cut?: number | undefined
  readonly copy?: true
  readonly dryRun?: true
  readonly undo?: true
  readonly finish?: true
}

/** `millrace migrate-table`: a large table becomes a partitioned one, step by step. */
export async function migrateTable(table: string, options: MigrateTableOptions): Promise<number> {
  const config = loadConfig(process.env, options.config)
  await using database = createDatabase({
    url: telemetryOwner(config),
    applicationName: 'millrace migrate-table',
    // Building an index, and reading a large table, take long.
    statementTimeoutMs: 0,
    lockTimeoutMs: 0,
    answerTimeoutMs: 0,
  })
  await database.use(async (session) =>
    migrate(
      {
        session,
        readings: await readingsBackend(session, config.store.backend, table),
        hypertable: await makesHypertables(session, config.store.backend),
        daysAhead: partitionSettings(config).daysAhead,
        nowMs: Date.now,
        say: print,
      },
      {
        table,
        time: options.time,
        device: options.device,
        map: options.map ?? {},
        keep: options.keep ?? [],
        key: options.key ?? [],
        copy: options.copy === true,
        cutMs: options.cut,
        mode: options.dryRun === true ? 'dry-run' : options.undo === true ? 'undo' : options.finish === true ? 'finish' : 'run',
      },
    ),
  )
  return 0
}
