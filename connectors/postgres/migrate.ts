import type { LookupTable } from '../../processors/lookup-table.ts'
import type { Quantity } from '../../schemas/quantities.ts'
import { migrateAssetReadings } from './asset-readings.ts'
import type { BackendChoice } from './backend.ts'
import { chooseBackend } from './backend-choice.ts'
import { grantRoles, type RoleOptions, type RolesDone } from './grant-roles.ts'
import { retryOnLock } from './lock-retry.ts'
import { addLookupTriggers } from './lookup-triggers.ts'
import { type AppliedMigration, checksum, type Migration, pendingMigrations } from './migrations.ts'
import { checkColumns, checkUnits, describeForeign } from './readings-check.ts'
import { literal, missingColumns, readingsTable } from './readings-table.ts'
import { fillRollups, fillSiteDevices, migrateRollups, watchReadings } from './rollup-migrate.ts'
import { openSession, type Session } from './session.ts'

/** What a migration run did, in words, in order. Empty if there was nothing to do. */
export type Done = readonly string[]

export interface MigrateOptions {
  readonly url: string
  readonly migrations: readonly Migration[]
}

export interface TelemetryMigrateOptions extends MigrateOptions {
  readonly quantities: readonly Quantity[]
  readonly backend: BackendChoice
}

/**
 * Brings the app database up to date: each migration in a transaction of its own. Two runners do
 * not race: one waits for the other.
 * @throws MigrationError, ConnectorError
 */
export function migrateApp({ url, migrations }: MigrateOptions): Promise<Done> {
  return exclusively(url, (session) => migrate(session, migrations))
}

/**
 * Gives tables of the app database, which are the user's own, a trigger that tells their changes to
 * services. After `migrateApp`.
 * @throws ConnectorError `lookup-table` if a table is missing, or not as declared
 */
export function migrateLookupTables(url: string, tables: readonly LookupTable[]): Promise<Done> {
  return exclusively(url, (session) => addLookupTriggers(session, tables))
}

/**
 * Brings the telemetry database up to date: its migrations, then table `readings`, which follows
 * from the quantities, and its view by asset.
 * @throws MigrationError, BackendError, ConnectorError
 */
export function migrateTelemetry({ url, migrations, quantities, backend }: TelemetryMigrateOptions): Promise<Done> {
  return exclusively(url, async (session) => [
    ...(await migrate(session, migrations)),
    ...(await retryOnLock(session, () => migrateReadings(session, quantities, backend))),
    ...(await markOldReadings(session)),
  ])
}

/**
 * Makes the roles of services and analysts, and gives them their rights in one of the databases.
 * After all other migrations of it.
 */
export async function migrateRoles(url: string, options: RoleOptions): Promise<RolesDone> {
  let byHand: readonly string[] = []
  const done = await exclusively(url, async (session) => {
    const granted = await grantRoles(session, options)
    byHand = granted.byHand
    return granted.done
  })
  return { done, byHand }
}

async function exclusively(url: string, work: (session: Session) => Promise<Done>): Promise<Done> {
  // No time limits: a migration, and the wait for another runner, may take long.
  const session = await openSession({
    url,
    applicationName: 'millrace migrate',
    statementTimeoutMs: 0,
    lockTimeoutMs: 0,
    answerTimeoutMs: 0,
  })
  try {
    await session.script('waiting for other migrations', "SELECT pg_advisory_lock(hashtextextended('millrace migrate', 0))")
    return await work(session)
  } finally {
    // Ends the lock too.
    await session.close()
  }
}

async function migrate(session: Session, migrations: readonly Migration[]): Promise<Done> {
  await session.script(
    'creating table schema_migration',
    `CREATE TABLE IF NOT EXISTS schema_migration (
       name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
     )`,
  )
  const applied = await appliedMigrations(session)
  const done: string[] = []
  for (const migration of pendingMigrations(migrations, applied)) {
    const record = `INSERT INTO schema_migration (name, checksum) VALUES (${literal(migration.name)}, ${literal(checksum(migration))})`
    await session.script(`applying migration ${migration.name}`, 'BEGIN')
    await session.script(`applying migration ${migration.name}`, migration.sql)
    await session.commit(`recording migration ${migration.name}`, record)
    done.push(`applied ${migration.name}`)
  }
  return done
}

export function appliedMigrations(session: Session): Promise<readonly AppliedMigration[]> {
  return session.query<AppliedMigration & Record<string, unknown>>(
    'reading the applied migrations',
    'SELECT name, checksum FROM schema_migration ORDER BY name COLLATE "C"',
  )
}

async function migrateReadings(session: Session, quantities: readonly Quantity[], choice: BackendChoice): Promise<Done> {
  const done: string[] = []
  // Inserts queue up behind a lock that waits. So give up early, and try again.
  await session.script('migrating table readings', "BEGIN; SET LOCAL lock_timeout = '200ms'")
  const columns = readingsTable(quantities)
  const { backend, exists } = await chooseBackend(session, choice)
  if (!exists) {
    await backend.create(session, columns)
    done.push(`created table readings, kept by ${backend.name}`)
  }
  const present = await presentColumns(session)
  checkUnits(columns, present)
  // Before the statements that lock the table: these take longer.
  await migrateRollups(session, columns)
  const statements = missingColumns(columns, present)
  if (statements.length > 0) await session.script('adding columns to readings', statements.join(';\n'))
  await watchReadings(session)
  const added = columns.filter(({ name }) => !present.has(name))
  if (added.length > 0) done.push(`added to readings: ${added.map(({ name }) => name).join(', ')}`)
  const foreign = await checkColumns(session, columns)
  if (foreign.length > 0) done.push(describeForeign(foreign))
  done.push(...(await migrateAssetReadings(session)))
  await session.commit('migrating table readings')
  return done
}

export async function presentColumns(session: Session): Promise<ReadonlyMap<string, string | null>> {
  const columns = await session.query<{ name: string; comment: string | null }>(
    'reading the columns of readings',
    `SELECT attname AS name, col_description(attrelid, attnum) AS comment
     FROM pg_attribute WHERE attrelid = 'readings'::regclass AND attnum > 0 AND NOT attisdropped`,
  )
  return new Map(columns.map(({ name, comment }) => [name, comment]))
}

async function markOldReadings(session: Session): Promise<Done> {
  const hours = await fillRollups(session)
  const devices = await fillSiteDevices(session)
  return [
    ...(hours === 0
      ? []
      : [`marked ${hours} hours of devices for the roll-ups: the store makes them, and until then the views compute them`]),
    ...(devices === 0 ? [] : [`noted ${devices} devices of sites: readings_of_site finds their readings`]),
  ]
}
