import { type KafkaAdmin, openAdmin } from '../connectors/kafka/client.ts'
import { giveRights as giveKafkaRights, lackingRights } from '../connectors/kafka/rights.ts'
import { ensureTopics, missingTopics, type ThinTopic } from '../connectors/kafka/topics.ts'
import { copyAssets } from '../connectors/postgres/asset-copy.ts'
import { createDatabase } from '../connectors/postgres/database.ts'
import {
  type MigrateOptions,
  migrateApp,
  migrateLookupTables,
  migrateRoles,
  migrateTelemetry,
  type TelemetryMigrateOptions,
} from '../connectors/postgres/migrate.ts'
import { planApp, planTelemetry } from '../connectors/postgres/migrate-plan.ts'
import { type Migration, readMigrations } from '../connectors/postgres/migrations.ts'
import type { DeclaredService } from '../processors/declaration.ts'
import type { LookupTable } from '../processors/lookup-table.ts'
import { projectRoot, readQuantities } from '../schemas/files.ts'
import { type Config, loadConfig } from '../services/config.ts'
import { appOwner, telemetryOwner } from '../services/database-users.ts'
import { declaredServices } from '../services/declared.ts'
import { kafkaClient, tooFewCopies, wantedTopics } from '../services/kafka.ts'
import { rightCommand, wantedRights } from '../services/kafka-rights.ts'
import { asKafkaOwner } from '../services/kafka-users.ts'
import { createLog } from '../services/log.ts'
import type { ConfigOption } from './command-line.ts'
import { print } from './print.ts'

/**
 * `millrace migrate`: brings both databases and the topics to what this version needs. It changes
 * nothing that is there already.
 */
export async function migrate({ config: file, dryRun }: ConfigOption & { readonly dryRun?: true }): Promise<number> {
  const config = loadConfig(process.env, file)
  return dryRun === true ? planConfigured(config) : migrateConfigured(config)
}

/** `--dry-run`: prints what would be done, and changes nothing. */
async function planConfigured(config: Config): Promise<number> {
  const services = await declaredServices(config)
  const tables = lookupTables(services)
  const { roles: prefix } = config.database
  const roles = <Kind extends 'telemetry' | 'app'>(database: Kind) => (prefix === 'none' ? undefined : { database, prefix, tables })
  const telemetry = await planTelemetry(await telemetryMigration(config), roles('telemetry'))
  const app = await planApp({ ...(await appMigration(config, services)), tables }, roles('app'))
  await using admin = openAdmin(kafkaClient(asKafkaOwner(config), 'millrace-migrate', createLog('migrate')))
  const topics = (await missingTopics(admin, wantedTopics(config, services))).map(
    ({ topic, partitions, replicationFactor, config: settings }) =>
      `-- topic ${topic}: ${[`${partitions} partitions`, `replication factor ${replicationFactor}`, ...Object.entries(settings).map(([name, value]) => `${name}=${value}`)].join(', ')}`,
  )
  const thin = await tooFewCopies(admin, wantedTopics(config, services))
  const lines = [
    ...(telemetry.length === 0 ? [] : ['-- in the telemetry database', ...telemetry]),
    ...(app.length === 0 ? [] : ['-- in the app database', ...app]),
    ...(topics.length === 0 ? [] : ['-- in Kafka', ...topics]),
    ...thin.map(sayThin),
    ...(await kafkaRights(admin, config, services, 'plan')),
  ]
  print(...(lines.length === 0 ? ['nothing to migrate'] : lines))
  return 0
}

async function telemetryMigration(config: Config): Promise<TelemetryMigrateOptions> {
  return {
    url: telemetryOwner(config),
    migrations: await readMigrations(`${projectRoot}db/telemetry`),
    quantities: readQuantities(),
    backend: config.store.backend,
  }
}

async function appMigration(config: Config, services: readonly DeclaredService[]): Promise<MigrateOptions> {
  return {
    url: appOwner(config),
    migrations: [...(await readMigrations(`${projectRoot}db/app`)), ...(await ownMigrations(services))],
  }
}

/** Migrate changes no topic that is there: moving its partitions is work for the whole cluster. */
function sayThin({ topic, is, wanted }: ThinTopic): string {
  const [found, expected] = [is, wanted].map((copies) => `${copies.replicationFactor} (min.insync.replicas ${copies.minInsyncReplicas})`)
  return `-- topic ${topic} has copies: ${found}; one that is created now has ${expected}. It stays as it is: docs/configuration.md says how to move it`
}

function lookupTables(services: readonly DeclaredService[]): readonly LookupTable[] {
  return services.flatMap((service) => Object.values(service.tables ?? {}))
}

/** The same for a configuration that was read already. */
export async function migrateConfigured(config: Config): Promise<number> {
  const services = await declaredServices(config)
  const topics = wantedTopics(config, services)
  const done = [...(await migrateTelemetry(await telemetryMigration(config))), ...(await migrateApp(await appMigration(config, services)))]
  await using app = createDatabase({ url: appOwner(config), applicationName: 'millrace migrate' })
  await using telemetry = createDatabase({ url: telemetryOwner(config), applicationName: 'millrace migrate' })
  const copied = await copyAssets(app, telemetry)
  if (copied !== undefined) done.push(`copied ${copied} periods of swapped devices to the telemetry database`)
  await using admin = openAdmin(kafkaClient(asKafkaOwner(config), 'millrace-migrate', createLog('migrate')))
  done.push(...(await ensureTopics(admin, topics)).map((topic) => `topic ${topic} created`))
  done.push(...(await tooFewCopies(admin, topics)).map(sayThin))
  const tables = lookupTables(services)
  // What was done is said even if a table, which is the user's, is missing.
  if (done.length > 0) print(...done)
  const added = tables.length === 0 ? [] : await migrateLookupTables(appOwner(config), tables)
  if (added.length > 0) print(...added)
  const roles = await giveRights(config, tables)
  const users = await kafkaRights(admin, config, services, 'give')
  if (users.length > 0) print(...users)
  if (done.length + added.length + roles + users.length === 0) print('nothing to migrate')
  return 0
}

/** @returns how many lines it printed */
async function giveRights(config: Config, tables: readonly LookupTable[]): Promise<number> {
  const { roles: prefix } = config.database
  if (prefix === 'none') return 0
  const telemetry = await migrateRoles(telemetryOwner(config), { database: 'telemetry', prefix })
  const app = await migrateRoles(appOwner(config), { database: 'app', prefix, tables })
  const lines = [...telemetry.done, ...app.done, ...byHand('telemetry', telemetry.byHand), ...byHand('app', app.byHand)]
  if (lines.length > 0) print(...lines)
  return lines.length
}

/** Gives the users of Kafka what they lack, or only says it; as lines to print. */
async function kafkaRights(
  admin: KafkaAdmin,
  config: Config,
  services: readonly DeclaredService[],
  what: 'plan' | 'give',
): Promise<readonly string[]> {
  if (config.kafka.users === 'none') return []
  const wanted = wantedRights(config, services)
  const lacking = await lackingRights(admin, wanted)
  if (lacking.tag === 'unchecked' || (lacking.tag === 'lacking' && lacking.rights.length === 0)) return []
  const commands = (lacking.tag === 'lacking' ? lacking.rights : wanted).map(rightCommand)
  if (what === 'plan') return ['-- rights of the users of Kafka', ...commands]
  if (lacking.tag === 'lacking' && (await giveKafkaRights(admin, lacking.rights)).tag !== 'not-allowed')
    return [`gave the users of Kafka their rights: ${lacking.rights.length}`]
  return ['-- This user may not give rights in Kafka. Somebody who may can run these; then migrate again (docs/roles.md).', ...commands]
}

function byHand(database: string, statements: readonly string[]): readonly string[] {
  if (statements.length === 0) return []
  return [
    `-- This user may not do the following in the ${database} database. Somebody who may can run it; then migrate again (docs/roles.md).`,
    ...statements.map((sql) => `${sql};`),
  ]
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
