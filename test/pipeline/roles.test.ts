import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Claim, Log } from '../../connectors/contract.ts'
import type { BackendName } from '../../connectors/postgres/backend.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { roleName } from '../../connectors/postgres/grant-roles.ts'
import { migrateApp, migrateRoles, migrateTelemetry } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import { createReadingsSink } from '../../connectors/postgres/readings-sink.ts'
import { type DatabaseKind, OWNERS_ALONE, RIGHTS, ROLES, type Role } from '../../connectors/postgres/roles.ts'
import { openRollups } from '../../connectors/postgres/rollups.ts'
import type { ConsumerName, Topic } from '../../processors/contract.ts'
import { DAY_MS } from '../../processors/store/time-ranges.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import { closing } from '../adversary/closing.ts'
import { sinkBatch, type TestRow } from './readings-batch.ts'
import { letIn, type ScratchDatabase, scratchDatabase } from './scratch-database.ts'
import { testDatabase } from './stack-clients.ts'

const db = join(import.meta.dirname, '../../../db')
const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }
/** Roles are the server's. So these are the test's own. */
const prefix = `roles_${randomBytes(4).toString('hex')}`
const owner = `${prefix}_owner`
const NOON = Date.UTC(2026, 10, 23, 12)
const DENIED = '42501'

/** The database of another user of the server, with the password that `letIn` gave it, if any. */
function of(user: string, { url }: ScratchDatabase): string {
  const address = new URL(url)
  address.username = user
  return address.href
}
const letRolesIn = (database: ScratchDatabase): Promise<void> => letIn(database, ...ROLES.map((role) => roleName(prefix, role)))
const as = (role: Role, database: ScratchDatabase): string => of(roleName(prefix, role), database)

/** SQLSTATE of each statement that a user may not run; what it may run is rolled back. */
async function refusals(url: string, statements: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  const client = testDatabase(url)
  await client.connect()
  try {
    const codes: Record<string, unknown> = {}
    for (const statement of statements) {
      await client.query('BEGIN READ WRITE')
      codes[statement] = await client.query(statement).then(
        () => 'allowed',
        (cause: unknown) => (cause as { code?: unknown }).code,
      )
      await client.query('ROLLBACK')
    }
    return codes
  } finally {
    await client.end()
  }
}

async function expectDenied(url: string, statements: readonly string[]): Promise<void> {
  expect(await refusals(url, statements)).to.deep.equal(Object.fromEntries(statements.map((statement) => [statement, DENIED])))
}

async function expectAllowed(url: string, statements: readonly string[]): Promise<void> {
  expect(await refusals(url, statements)).to.deep.equal(Object.fromEntries(statements.map((statement) => [statement, 'allowed'])))
}

/** Each table and view has somebody who may do something with it, or is the owner's alone. */
async function expectEachNamed(database: ScratchDatabase, kind: DatabaseKind, own: readonly string[] = []): Promise<void> {
  const named = new Set([...OWNERS_ALONE[kind], ...own, ...ROLES.flatMap((role) => Object.keys(RIGHTS[kind][role]))])
  const relations = await database.query(
    `SELECT relname AS name FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm') AND NOT relispartition
       AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')`,
  )
  const there = relations.map(({ name }) => String(name))
  expect(there.filter((name) => !named.has(name))).to.deep.equal([])
  expect([...named].filter((name) => !there.includes(name))).to.deep.equal([])
}

describe('roles in the databases', () => {
  const { use, atEnd } = closing()

  before(() => {
    // After the databases in which they have rights: what was opened last is closed first.
    atEnd(async () => {
      await using server = await scratchDatabase('APP_DATABASE_URL')
      for (const role of ROLES) await server.query(`DROP ROLE IF EXISTS ${roleName(prefix, role)}, ${roleName(owner, role)}`)
      await server.query(`DROP ROLE IF EXISTS ${owner}`)
    })
  })

  for (const backend of ['timescaledb', 'postgres'] as const) telemetry(backend, use)

  describe('of the app', () => {
    let database: ScratchDatabase

    before(async () => {
      database = await use(scratchDatabase('APP_DATABASE_URL'))
      await migrateApp({ url: database.url, migrations: await readMigrations(join(db, 'app')) })
      await database.query('CREATE TABLE frost_log (id serial PRIMARY KEY, device text)')
      await migrateRoles(database.url, { database: 'app', prefix })
      await letRolesIn(database)
    })

    it('are given once', async () => {
      expect(await migrateRoles(database.url, { database: 'app', prefix })).to.deep.equal({ done: [], byHand: [] })
    })

    it('name each table and view, so that a new one is not forgotten', async () => {
      await expectEachNamed(database, 'app', ['frost_log'])
    })

    it('let processes write what they find out, their own tables, and nothing that operators say', async () => {
      await expectAllowed(as('processes', database), [
        'SELECT FROM devices FOR UPDATE',
        'UPDATE alerts SET closed_at = now()',
        'DELETE FROM outbox',
        "INSERT INTO frost_log (device) VALUES ('hive')",
        "UPDATE webhooks SET failures = 1, last_error = 'x'",
        'CREATE TEMPORARY TABLE mine (x int)',
      ])
      await expectDenied(as('processes', database), [
        "INSERT INTO accounts (name) VALUES ('mine')",
        "INSERT INTO devices (id) VALUES ('mine')",
        "UPDATE devices SET id = 'other'",
        "UPDATE webhooks SET secret = 'mine-mine-mine-mine'",
        "UPDATE webhooks SET url = 'https://elsewhere'",
        'DELETE FROM alert_rules',
        'INSERT INTO gateway_devices SELECT',
        'UPDATE schema_migration SET checksum = NULL',
        'CREATE TABLE mine (x int)',
        'DROP TABLE alerts',
        'TRUNCATE alerts',
        'ALTER TABLE devices DISABLE TRIGGER ALL',
      ])
    })

    it('let processes found a site, which gets the next number and is named after it', async () => {
      await database.query("INSERT INTO accounts (name) VALUES ('demo')")
      await using processes = createDatabase({ url: as('processes', database), applicationName: 'test' })
      const founding = 'SELECT found_site(id, $1, $2, NULL) AS site FROM accounts'
      const found = async (...place: readonly number[]): Promise<unknown> =>
        (await processes.use((session) => session.query('founding a site', founding, place)))[0]?.site
      expect([await found(51.4, 7.1), await found(51.4, 7.1), await found(52.3, 8.8)]).to.deep.equal([1n, 1n, 2n])
      expect(await database.query('SELECT id, name, founded FROM sites ORDER BY id')).to.deep.equal([
        { id: 1n, name: '51.4000, 7.1000 (site 1)', founded: true },
        { id: 2n, name: '52.3000, 8.8000 (site 2)', founded: true },
      ])
      await expectDenied(as('processes', database), ["SELECT nextval('sites_id_seq')"])
    })

    it('let a process read a table to look up that was made after them', async () => {
      await database.query('CREATE TABLE thresholds (device text)')
      await expectAllowed(as('processes', database), ['SELECT FROM thresholds'])
      await expectDenied(as('processes', database), ["INSERT INTO thresholds VALUES ('hive')"])
      await database.query('DROP TABLE thresholds')
    })

    it('let the reader see devices and alerts, and no secret', async () => {
      await expectAllowed(as('reader', database), [
        'SELECT FROM devices',
        'SELECT FROM deployments',
        'SELECT FROM device_states',
        'SELECT FROM alerts',
      ])
      await expectDenied(as('reader', database), [
        'SELECT secret FROM webhooks',
        'SELECT FROM webhook_delivery',
        'SELECT FROM outbox',
        'SELECT FROM frost_log',
        'UPDATE alerts SET closed_at = now()',
        'DELETE FROM devices',
        'CREATE TABLE mine (x int)',
      ])
    })

    it('let the store do nothing', async () => {
      await expectDenied(as('store', database), ['SELECT FROM devices', 'SELECT FROM registered_schema', 'SELECT FROM webhooks'])
    })
  })

  it('are made by hand if who migrates may not: the SQL is said, and then the rest is done', async () => {
    const database = await use(scratchDatabase('TELEMETRY_DATABASE_URL'))
    await database.query(`CREATE ROLE ${owner} LOGIN`)
    await letIn(database, owner)
    await database.query(`GRANT ${owner} TO CURRENT_USER`)
    // A schema with its name comes first in its search path.
    await database.query(`CREATE SCHEMA ${owner} AUTHORIZATION ${owner}`)
    const url = of(owner, database)
    const migrations = await readMigrations(join(db, 'telemetry'))
    await migrateTelemetry({ url, migrations, quantities, backend: 'postgres' })
    const options = { database: 'telemetry', prefix: owner } as const
    const { done, byHand } = await migrateRoles(url, options)
    expect(done).to.deep.equal([])
    expect(byHand.slice(0, ROLES.length)).to.deep.equal(ROLES.map((role) => `CREATE ROLE "${roleName(owner, role)}" LOGIN`))
    for (const sql of byHand) await database.query(sql)
    const after = await migrateRoles(url, options)
    expect(after.byHand).to.deep.equal([])
    expect(after.done.join()).to.match(/^gave the roles their rights in the telemetry database: \d+ grants$/)
    expect(await migrateRoles(url, options)).to.deep.equal({ done: [], byHand: [] })
  })
})

function telemetry(backend: BackendName, use: ReturnType<typeof closing>['use']): void {
  describe(`of the telemetry database, on ${backend}`, () => {
    let database: ScratchDatabase
    const [store, topic] = ['store' as ConsumerName, 'telemetry.readings' as Topic]

    before(async () => {
      database = await use(scratchDatabase('TELEMETRY_DATABASE_URL'))
      await migrateTelemetry({ url: database.url, migrations: await readMigrations(join(db, 'telemetry')), quantities, backend })
      await migrateRoles(database.url, { database: 'telemetry', prefix })
      await letRolesIn(database)
      await write([
        [{ device: 'hive', tsMs: NOON, temperature: 20 }],
        // A repeat, something new, another value; a day that has no partition.
        [
          { device: 'hive', tsMs: NOON, temperature: 20 },
          { device: 'hive', tsMs: NOON, humidity: 40 },
          { device: 'hive', tsMs: NOON, temperature: 21 },
          { device: 'hive', tsMs: NOON - 9 * DAY_MS, temperature: 3 },
        ],
      ])
    })

    async function write(batches: readonly (readonly TestRow[])[]): Promise<void> {
      await using sink = createReadingsSink({
        url: as('store', database),
        ownerUrl: database.url,
        backend,
        quantities,
        conflicts: 'keep-last',
        log: silent,
      })
      const [claim] = await sink.claim(store, 'topic-1', [{ topic, partition: 0, earliest: 0n }])
      const { epoch, nextOffset } = claim as Claim
      for (const [index, rows] of batches.entries()) {
        const from = nextOffset + BigInt(index)
        const move = { topic, partition: 0, from, to: from + 1n, leaderEpoch: 0, epoch, rows: [{ first: 0, end: rows.length }], dead: 0 }
        expect((await sink.commit(store, sinkBatch(rows, [move]))).tag).to.equal('committed')
      }
    }

    it('let the store write, merge, count conflicts and keep the roll-ups, with the partitions that the owner makes', async () => {
      expect(await database.query('SELECT stored, merged, conflicts, repeated FROM consumer_offset')).to.deep.equal([
        { stored: 2n, merged: 1n, conflicts: 1n, repeated: 1n },
      ])
      await using rollups = openRollups({ url: as('store', database), settleMs: 0, openEveryMs: 0 })
      for (let more = true; more; ) ({ more } = await rollups.turn())
      expect(await rollups.pending()).to.equal(0)
      expect(await database.query('SELECT hour, rows FROM readings_hourly_kept ORDER BY hour')).to.have.length(2)
      if (backend === 'postgres') {
        const [strays] = await database.query('SELECT count(*) AS rows FROM readings_default')
        expect(strays).to.deep.equal({ rows: 0n })
      }
    })

    it('name each table and view, so that a new one is not forgotten', () => expectEachNamed(database, 'telemetry'))

    it('let the store write to a partition that is being archived, whose trigger notes it', async () => {
      await database.query("INSERT INTO archive_touch VALUES ('2026-11-01')")
      await expectAllowed(as('store', database), ["INSERT INTO archive_touch VALUES ('2026-11-23')"])
      await expectDenied(as('store', database), ['DELETE FROM archive_touch', 'DELETE FROM archived_days'])
    })

    it('keep the store from deleting readings, from their tables and from what is not its own', async () => {
      await expectDenied(as('store', database), [
        'DELETE FROM readings',
        'TRUNCATE readings',
        'DROP TABLE readings',
        'ALTER TABLE readings ADD COLUMN mine int',
        'ALTER TABLE readings DISABLE TRIGGER ALL',
        'CREATE TABLE mine (x int)',
        'SELECT FROM continuity_boot',
        'INSERT INTO asset_devices SELECT',
        'UPDATE schema_migration SET checksum = NULL',
        'DELETE FROM consumer_offset',
        'CREATE ROLE mine',
      ])
    })

    it('let the ledger of frames write its tables, and see no reading', async () => {
      await expectAllowed(as('processes', database), [
        'DELETE FROM continuity_boot',
        'SELECT FROM continuity_redriven FOR UPDATE',
        'SELECT FROM consumer_offset',
      ])
      await expectDenied(as('processes', database), [
        'SELECT FROM readings',
        'INSERT INTO rollup_mark SELECT',
        'DROP TABLE continuity_boot',
        'DELETE FROM redrive_run',
      ])
    })

    it('let the reader ask what analysts ask, for a minute and without compiling', async () => {
      const client = testDatabase(as('reader', database))
      await client.connect()
      const rows = async (text: string): Promise<readonly unknown[]> => (await client.query<Record<string, unknown>>(text)).rows
      try {
        expect(await rows("SELECT device_id, temperature, humidity FROM readings WHERE ts > '2026-11-20'")).to.deep.equal([
          { device_id: 'hive', temperature: 21, humidity: 40 },
        ])
        expect(await rows('SELECT device_id FROM asset_readings')).to.have.length(2)
        expect(await rows("SELECT asset_id FROM readings_of_asset('hive')")).to.have.length(2)
        // With hours that the roll-ups have not kept: the views compute them.
        await write([[{ device: 'hive', tsMs: NOON + 1000, temperature: 23 }]])
        expect(await rows('SELECT rows::int, temperature_max FROM readings_hourly ORDER BY hour DESC LIMIT 1')).to.deep.equal([
          { rows: 2, temperature_max: 23 },
        ])
        expect(await rows('SELECT rows::int FROM readings_daily ORDER BY day')).to.deep.equal([{ rows: 1 }, { rows: 2 }])
        expect(await rows('SELECT temperature FROM latest_readings')).to.deep.equal([{ temperature: 23 }])
        expect(
          await rows("SELECT avg FROM readings_of('hive', '2026-11-23', '2026-11-24', '1 day') WHERE quantity = 'temperature'"),
        ).to.deep.equal([{ avg: 22 }])
        for (const [name, value] of [
          ['statement_timeout', '1min'],
          ['idle_in_transaction_session_timeout', '1min'],
          ['default_transaction_read_only', 'on'],
          ['jit', 'off'],
        ] as const)
          expect(await rows(`SHOW ${name}`)).to.deep.equal([{ [name]: value }])
      } finally {
        await client.end()
      }
      await expectDenied(as('reader', database), [
        "INSERT INTO readings (device_id, ts, time_estimated) VALUES ('hive', now(), false)",
        'UPDATE readings SET temperature = 0',
        'DELETE FROM readings',
        'DELETE FROM readings_hourly_kept',
        'INSERT INTO rollup_mark SELECT',
        'SELECT rollup_hours(1000)',
        "SELECT rollup_settle('2026-11-14', '2026-11-15')",
        'UPDATE consumer_offset SET stored = 0',
        'DELETE FROM continuity_boot',
        'DELETE FROM redrive_run',
        'SELECT FROM schema_migration',
        'CREATE TABLE mine (x int)',
      ])
    })
  })
}
