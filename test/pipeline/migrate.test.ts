import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Log } from '../../connectors/contract.ts'
import type { BackendChoice, BackendName } from '../../connectors/postgres/backend.ts'
import { BackendError } from '../../connectors/postgres/backend-choice.ts'
import { migrateApp, migrateTelemetry } from '../../connectors/postgres/migrate.ts'
import { planTelemetry } from '../../connectors/postgres/migrate-plan.ts'
import { MigrationError, readMigrations } from '../../connectors/postgres/migrations.ts'
import { createReadingsSink } from '../../connectors/postgres/readings-sink.ts'
import type { ConsumerName, Topic } from '../../processors/contract.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import type { Quantity } from '../../schemas/quantities.ts'
import { runMillrace } from '../adversary/command.ts'
import { sinkBatch } from './readings-batch.ts'
import { type ScratchDatabase, scratchDatabase } from './scratch-database.ts'
import { until } from './service.ts'

const db = join(import.meta.dirname, '../../../db')

const NOON = Date.UTC(2026, 10, 23, 12)
const OZONE: Quantity = { name: 'ozone', unit: '[ppb]', minimum: 0, maximum: 1000, doc: "What's in the air." }
/** Migrations of the same name in both databases. */
const SHARED_NAMES = readdirSync(join(db, 'app')).filter((file) => existsSync(join(db, 'telemetry', file))).length
const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }

interface Row {
  readonly device: string
  readonly tsMs: number
  readonly temperature?: number
  readonly ozone?: number
}

/** A store with these quantities, which goes on where the one before was. */
async function openStore(
  url: string,
  backend: BackendName,
  columns: readonly Quantity[],
): Promise<AsyncDisposable & { write(rows: readonly Row[]): Promise<void> }> {
  const [store, topic] = ['store' as ConsumerName, 'telemetry.readings' as Topic]
  const sink = createReadingsSink({ url, backend, quantities: columns, conflicts: 'keep-first', log: silent })
  const [claim] = await sink.claim(store, 'topic-1', [{ topic, partition: 0, earliest: 0n }])
  let from = claim?.nextOffset ?? 0n
  return {
    async write(rows) {
      const move = {
        topic,
        partition: 0,
        from,
        to: ++from,
        leaderEpoch: 0,
        epoch: claim?.epoch ?? 0n,
        rows: [{ first: 0, end: rows.length }],
        dead: 0,
      }
      expect((await sink.commit(store, sinkBatch(rows, [move], columns))).tag).to.equal('committed')
    },
    [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose](),
  }
}

describe('migrating', () => {
  let database: ScratchDatabase
  const telemetry = async (backend: BackendChoice, columns: readonly Quantity[] = quantities) =>
    migrateTelemetry({ url: database.url, migrations: await readMigrations(join(db, 'telemetry')), quantities: columns, backend })

  beforeEach(async () => {
    database = await scratchDatabase('TELEMETRY_DATABASE_URL')
  })

  afterEach(async () => {
    await database[Symbol.asyncDispose]()
  })

  it('says what it did, and does nothing the second time', async () => {
    const migrations = await readMigrations(join(db, 'app'))
    expect(await migrateApp({ url: database.url, migrations })).to.deep.equal(migrations.map(({ name }) => `applied ${name}`))
    expect(await migrateApp({ url: database.url, migrations })).to.deep.equal([])
  })

  it('is done once by three runners at a time', async () => {
    const done = await Promise.all([telemetry('postgres'), telemetry('postgres'), telemetry('postgres')])
    expect(done.filter(({ length }) => length > 0)).to.have.length(1)
  })

  it('is done once by four commands at a time', async () => {
    const app = await scratchDatabase('APP_DATABASE_URL')
    try {
      const env = { TELEMETRY_DATABASE_URL: database.url, APP_DATABASE_URL: app.url }
      const ran = await Promise.all([1, 2, 3, 4].map(() => runMillrace(['migrate'], env)))
      expect(ran.map(({ code, error }) => [code, error])).to.deep.equal(ran.map(() => [0, '']))
      const lines = ran.flatMap(({ output }) => output.split('\n'))
      const once = lines.filter((line) => line.startsWith('applied ') || line.startsWith('created '))
      expect(once).to.have.length(new Set(once).size + SHARED_NAMES)
      expect(once).to.include('created view asset_readings')
      expect((await runMillrace(['migrate', '--dry-run'], env)).output).to.equal('nothing to migrate\n')
    } finally {
      await app[Symbol.asyncDispose]()
    }
  })

  it('leaves nothing of a migration that fails', async () => {
    const migrations = [{ name: '0001-broken', sql: 'CREATE TABLE half (id int); SELECT 1 / 0' }]
    const error = await migrateApp({ url: database.url, migrations }).catch((cause: unknown) => cause)
    expect(error).to.be.instanceOf(Error).with.property('message').that.contains('0001-broken')
    expect(await database.query("SELECT to_regclass('half') AS half")).to.deep.equal([{ half: null }])
  })

  it('refuses a migration that was changed after it was applied', async () => {
    await migrateApp({ url: database.url, migrations: [{ name: '0001-one', sql: 'SELECT 1' }] })
    const error = await migrateApp({ url: database.url, migrations: [{ name: '0001-one', sql: 'SELECT 2' }] }).catch(
      (cause: unknown) => cause,
    )
    expect(error).to.be.instanceOf(MigrationError).with.property('message').that.contains('0001-one was changed')
  })

  it('takes TimescaleDB if the server offers it, without an index beyond the key', async () => {
    expect(await telemetry('auto')).to.include('created table readings, kept by timescaledb')
    expect(await database.query("SELECT indexname FROM pg_indexes WHERE tablename = 'readings'")).to.deep.equal([
      { indexname: 'readings_pkey' },
    ])
  })

  for (const backend of ['timescaledb', 'postgres'] as const) {
    it(`is planned as SQL that changes nothing, on ${backend}`, async () => {
      const plan = async (columns: readonly Quantity[]): Promise<string> =>
        (
          await planTelemetry(
            { url: database.url, migrations: await readMigrations(join(db, 'telemetry')), quantities: columns, backend },
            { database: 'telemetry', prefix: 'planned' },
          )
        ).join('\n')
      const before = await plan(quantities)
      expect(before).to.include('-- migration 0001-consumer-offset\n').and.to.include('CREATE TABLE consumer_offset (')
      expect(before)
        .to.include(`-- table readings, kept by ${backend}\n`)
        .and.to.match(/CREATE TABLE readings \("device_id" text/)
      expect(before).to.include('CREATE ROLE "planned_reader" LOGIN;')
      expect(
        await database.query(
          "SELECT count(*) AS tables FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')",
        ),
      ).to.deep.equal([{ tables: 0n }])
      await telemetry(backend)
      expect(await plan([...quantities, OZONE])).to.match(
        /^ALTER TABLE readings ADD COLUMN IF NOT EXISTS "ozone" double precision;\nCOMMENT ON COLUMN readings."ozone" IS 'What''s in the air. Unit: \[ppb\]';\n-- the roll-ups: .*\n-- view asset_readings, .*\n-- roles, .*\nCREATE ROLE "planned_store" LOGIN;\n/,
      )
      expect(await plan(quantities))
        .to.match(/^-- roles, .*\n/)
        .and.to.include('GRANT SELECT, INSERT, UPDATE ON readings TO "planned_store";')
      expect(await telemetry(backend)).to.deep.equal([])
    })

    it(`refuses a quantity whose column is of another type, or in another unit, and changes nothing, on ${backend}`, async () => {
      await telemetry(backend)
      await database.query('ALTER TABLE readings ADD COLUMN ozone text')
      const refusal = (columns: readonly Quantity[]): Promise<unknown> => telemetry(backend, columns).catch((cause: unknown) => cause)
      const sulphur = { ...OZONE, name: 'sulphur' }
      expect(await refusal([...quantities, sulphur, OZONE]))
        .to.be.instanceOf(BackendError)
        .with.property('message')
        .that.contains('column ozone of table readings is text, expected double precision')
      expect(await database.query("SELECT FROM pg_attribute WHERE attname IN ('sulphur', 'sulphur_sum')")).to.deep.equal([])
      await database.query('ALTER TABLE readings RENAME ozone TO remark')
      expect(await telemetry(backend, [...quantities, OZONE])).to.include('added to readings: ozone')
      expect(await refusal([...quantities, { ...OZONE, unit: 'ug/m3' }]))
        .to.be.instanceOf(BackendError)
        .with.property('message')
        .that.contains(
          'column ozone of table readings has values in [ppb], and quantity ozone is in ug/m3 now: give the quantity another name',
        )
    })

    it(`adds a column while a store of the version before writes, and the next one reads what both wrote, on ${backend}`, async () => {
      await telemetry(backend)
      await using older = await openStore(database.url, backend, quantities)
      let stopped = false
      let written = 0
      const writing = (async () => {
        for (; !stopped; written++) await older.write([{ device: 'hive', tsMs: NOON + written * 1000, temperature: 20 }])
      })()
      await until('it writes', async () => written > 3)
      expect(await telemetry(backend, [...quantities, OZONE])).to.deep.equal(['added to readings: ozone'])
      const then = written
      await until('it goes on', async () => written > then + 3)
      stopped = true
      await writing
      // A row that it had written before is merged by one that has the new quantity.
      await using newer = await openStore(database.url, backend, [...quantities, OZONE])
      await newer.write([{ device: 'hive', tsMs: NOON, ozone: 7 }])
      expect(
        await database.query('SELECT count(*) AS rows, count(temperature) AS temperatures, sum(ozone) AS ozone FROM readings'),
      ).to.deep.equal([{ rows: BigInt(written), temperatures: BigInt(written), ozone: 7 }])
      expect(await database.query('SELECT sum(temperature_count) AS t, sum(ozone_count) AS o FROM readings_hourly')).to.deep.equal([
        { t: String(written), o: '1' },
      ])
    })

    it(`adds a column for a new quantity, with its unit, and drops none, on ${backend}`, async () => {
      await telemetry(backend, quantities.slice(0, 2))
      const ozone = OZONE
      const others =
        'table readings also has temperature, humidity, which this configuration has no quantity for: what is there stays, and new rows have no value there'
      expect(await telemetry(backend, [ozone])).to.deep.equal(['added to readings: ozone', others])
      expect(await telemetry('auto', [...quantities.slice(0, 2), ozone])).to.deep.equal([])
      const columns = await database.query(
        `SELECT attname AS name, col_description(attrelid, attnum) AS comment FROM pg_attribute
         WHERE attrelid = 'readings'::regclass AND attnum > 5 AND NOT attisdropped ORDER BY attnum`,
      )
      expect(columns.map(({ name }) => name)).to.deep.equal(['temperature', 'humidity', 'ozone'])
      expect(columns[2]).to.deep.equal({ name: 'ozone', comment: "What's in the air. Unit: [ppb]" })
    })
  }

  it('refuses a backend that is not that of the table', async () => {
    await telemetry('postgres')
    const error = await telemetry('timescaledb').catch((cause: unknown) => cause)
    expect(error).to.be.instanceOf(BackendError).with.property('message').that.contains('kept by postgres')
  })

  it('refuses a table that is of neither backend', async () => {
    await database.query('CREATE TABLE readings (id int)')
    const error = await telemetry('auto').catch((cause: unknown) => cause)
    expect(error).to.be.instanceOf(BackendError)
  })
})
