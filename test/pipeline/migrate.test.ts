import { join } from 'node:path'
import { expect } from 'chai'
import type { BackendChoice } from '../../connectors/postgres/backend.ts'
import { BackendError } from '../../connectors/postgres/backend-choice.ts'
import { migrateApp, migrateTelemetry } from '../../connectors/postgres/migrate.ts'
import { MigrationError, readMigrations } from '../../connectors/postgres/migrations.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import type { Quantity } from '../../schemas/quantities.ts'
import { type ScratchDatabase, scratchDatabase } from './scratch-database.ts'

const db = join(import.meta.dirname, '../../../db')

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
    it(`adds a column for a new quantity, with its unit, and drops none, on ${backend}`, async () => {
      await telemetry(backend, quantities.slice(0, 2))
      const ozone: Quantity = { name: 'ozone', unit: '[ppb]', minimum: 0, maximum: 1000, doc: "What's in the air." }
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
