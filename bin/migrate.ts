import { openAdmin } from '../connectors/kafka/client.ts'
import { ensureTopics } from '../connectors/kafka/topics.ts'
import { copyAssets } from '../connectors/postgres/asset-copy.ts'
import { createDatabase } from '../connectors/postgres/database.ts'
import { migrateApp, migrateLookupTables, migrateTelemetry } from '../connectors/postgres/migrate.ts'
import { type Migration, readMigrations } from '../connectors/postgres/migrations.ts'
import type { DeclaredService } from '../processors/declaration.ts'
import { projectRoot, readQuantities } from '../schemas/files.ts'
import { type Config, loadConfig } from '../services/config.ts'
import { declaredServices } from '../services/declared.ts'
import { kafkaClient, wantedTopics } from '../services/kafka.ts'
import { createLog } from '../services/log.ts'
import type { ConfigOption } from './command-line.ts'
import { print } from './print.ts'

/**
 * `millrace migrate`: brings both databases and the topics to what this version needs. It changes
 * nothing that is there already.
 */
export async function migrate({ config: file }: ConfigOption): Promise<number> {
  return migrateConfigured(loadConfig(process.env, file))
}

/** The same for a configuration that was read already. */
export async function migrateConfigured(config: Config): Promise<number> {
  const services = await declaredServices(config)
  const topics = wantedTopics(config, services)
  const done = [
    ...(await migrateTelemetry({
      url: config.env.TELEMETRY_DATABASE_URL,
      migrations: await readMigrations(`${projectRoot}db/telemetry`),
      quantities: readQuantities(),
      backend: config.store.backend,
    })),
    ...(await migrateApp({
      url: config.env.APP_DATABASE_URL,
      migrations: [...(await readMigrations(`${projectRoot}db/app`)), ...(await ownMigrations(services))],
    })),
  ]
  await using app = createDatabase({ url: config.env.APP_DATABASE_URL, applicationName: 'millrace migrate' })
  await using telemetry = createDatabase({ url: config.env.TELEMETRY_DATABASE_URL, applicationName: 'millrace migrate' })
  const copied = await copyAssets(app, telemetry)
  if (copied !== undefined) done.push(`copied ${copied} periods of swapped devices to the telemetry database`)
  await using admin = openAdmin(kafkaClient(config, 'millrace-migrate', createLog('migrate')))
  done.push(...(await ensureTopics(admin, topics)).map((topic) => `topic ${topic} created`))
  const tables = services.flatMap((service) => Object.values(service.tables ?? {}))
  // What was done is said even if a table, which is the user's, is missing.
  if (done.length > 0) print(...done)
  const added = tables.length === 0 ? [] : await migrateLookupTables(config.env.APP_DATABASE_URL, tables)
  if (added.length > 0) print(...added)
  if (done.length + added.length === 0) print('nothing to migrate')
  return 0
}

/** Those that business processes have in their own folders. They build on Millrace's. */
async function ownMigrations(services: readonly DeclaredService[]): Promise<readonly Migration[]> {
  const own = await Promise.all(
    services.map((service) =>
      service.kind === 'process' && service.migrations !== undefined ? readMigrations(service.migrations, service.name) : [],
    ),
  )
  return own.flat()
}
