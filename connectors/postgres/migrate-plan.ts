import type { LookupTable } from '../../processors/lookup-table.ts'
import { migratesAssetReadings } from './asset-readings.ts'
import { chooseBackend } from './backend-choice.ts'
import { planRoles, type RoleOptions } from './grant-roles.ts'
import { shownTable, tableStates } from './lookup-table-rows.ts'
import { appliedMigrations, type MigrateOptions, presentColumns, type TelemetryMigrateOptions } from './migrate.ts'
import { pendingMigrations } from './migrations.ts'
import { checkColumns, checkUnits } from './readings-check.ts'
import { type Column, missingColumns, readingsTable } from './readings-table.ts'
import { planRollups } from './rollup-migrate.ts'
import { openSession, type Session } from './session.ts'

/**
 * What `millrace migrate` would do in a database, as SQL with comments; empty if nothing. The
 * session is read only, so it changes nothing whatever is asked of it, and takes no lock that a
 * writer waits for.
 * @param roles undefined if roles are left alone
 * @throws as migrating does, for what can be seen beforehand
 */
export function planTelemetry(options: TelemetryMigrateOptions, roles: RoleOptions | undefined): Promise<readonly string[]> {
  return reading(options.url, async (session) => [
    ...(await planMigrations(session, options)),
    ...(await planReadings(session, options)),
    ...(await planRights(session, roles)),
  ])
}

/** The same of the app database. */
export function planApp(
  options: MigrateOptions & { readonly tables: readonly LookupTable[] },
  roles: RoleOptions | undefined,
): Promise<readonly string[]> {
  return reading(options.url, async (session) => {
    const states = await tableStates(session, options.tables)
    return [
      ...(await planMigrations(session, options)),
      ...options.tables.flatMap((table, index) =>
        states[index]?.notifies === true ? [] : [`-- table ${shownTable(table)}: a trigger that tells its changes`],
      ),
      ...(await planRights(session, roles)),
    ]
  })
}

async function reading(url: string, work: (session: Session) => Promise<readonly string[]>): Promise<readonly string[]> {
  const session = await openSession({ url, applicationName: 'millrace migrate --dry-run' })
  try {
    await session.script('reading only', 'SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY')
    return await work(session)
  } finally {
    await session.close()
  }
}

async function planMigrations(session: Session, { migrations }: MigrateOptions): Promise<readonly string[]> {
  const applied = (await isThere(session, 'schema_migration')) ? await appliedMigrations(session) : []
  return pendingMigrations(migrations, applied).flatMap(({ name, sql }) => [`-- migration ${name}`, sql.trimEnd()])
}

async function planReadings(session: Session, { quantities, backend: choice }: TelemetryMigrateOptions): Promise<readonly string[]> {
  const columns = readingsTable(quantities)
  const statements: string[] = []
  // What would be run is kept, and not run. What is asked is asked.
  const asking: Session = {
    lost: false,
    query: (doing, text, values) => session.query(doing, text, values),
    script: async (_, text) => {
      statements.push(`${text};`)
      return []
    },
    commit: async () => undefined,
    copyOut: async () => undefined,
    copy: async () => 0,
    copyIn: async () => 0,
    watch: () => undefined,
    close: async () => undefined,
  }
  const { backend, exists } = await chooseBackend(asking, choice)
  if (!exists) {
    await backend.create(asking, columns)
    return [
      `-- table readings, kept by ${backend.name}`,
      ...statements,
      '-- comments on its columns; the roll-ups, and view asset_readings, after the columns of readings',
    ]
  }
  const present = await presentColumns(session)
  checkUnits(columns, present)
  await checkColumns(
    session,
    columns.filter(({ name }) => present.has(name)),
  )
  return [...missingColumns(columns, present).map((sql) => `${sql};`), ...(await planViews(session, columns))]
}

/** What follows the columns of readings. Its SQL is long, and the same for each quantity. */
async function planViews(session: Session, columns: readonly Column[]): Promise<readonly string[]> {
  return [
    ...((await planRollups(session, columns)) === undefined
      ? []
      : ['-- the roll-ups: columns for what is new, and their views and functions anew']),
    ...((await migratesAssetReadings(
      session,
      columns.map(({ name }) => name),
    ))
      ? ['-- view asset_readings, with the columns of readings']
      : []),
  ]
}

async function planRights(session: Session, options: RoleOptions | undefined): Promise<readonly string[]> {
  if (options === undefined) return []
  const { roles, grants } = await planRoles(session, options)
  const lines = [...roles, ...grants].map((sql) => `${sql};`)
  return lines.length === 0 ? [] : ['-- roles, and their rights on the tables that are there now', ...lines]
}

async function isThere(session: Session, table: string): Promise<boolean> {
  const [row] = await session.query<{ there: boolean }>('looking for a table', 'SELECT to_regclass($1) IS NOT NULL AS there', [table])
  return row?.there === true
}
