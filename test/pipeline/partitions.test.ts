import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { dayOf } from '../../connectors/postgres/days.ts'
import { migrateTelemetry } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import { createPostgresBackend } from '../../connectors/postgres/postgres-backend.ts'
import { openSession, type Session } from '../../connectors/postgres/session.ts'
import { dayRange } from '../../processors/store/time-ranges.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import { type ScratchDatabase, scratchDatabase } from './scratch-database.ts'

const day = dayOf(Date.UTC(2026, 10, 23))

describe('daily partitions', () => {
  let database: ScratchDatabase
  const sessions: Session[] = []
  const open = async (): Promise<Session> => {
    const session = await openSession({ url: database.url, applicationName: 'test' })
    sessions.push(session)
    return session
  }
  const partitions = async () =>
    (
      await database.query(
        "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'readings'::regclass ORDER BY 1",
      )
    ).map(({ relname }) => relname)
  const insert = (ts: string) => database.query("INSERT INTO readings (device_id, ts, time_estimated) VALUES ('hive', $1, false)", [ts])

  beforeEach(async () => {
    database = await scratchDatabase('TELEMETRY_DATABASE_URL')
    const migrations = await readMigrations(join(import.meta.dirname, '../../../db/telemetry'))
    await migrateTelemetry({ url: database.url, migrations, quantities, backend: 'postgres' })
  })

  afterEach(async () => {
    for (const session of sessions.splice(0)) await session.close()
    await database[Symbol.asyncDispose]()
  })

  it('are made once by several at a time', async () => {
    const racing = [1, 2, 3, 4].map(async () => createPostgresBackend().ensureDays(await open(), [day, day + 1, day + 2]))
    await Promise.all(racing)
    expect(await partitions()).to.deep.equal(['readings_20261123', 'readings_20261124', 'readings_20261125', 'readings_default'])
  })

  it('have the key and take the rows of their day, from its first microsecond to its last', async () => {
    await createPostgresBackend().ensureDays(await open(), [day])
    for (const ts of ['2026-11-23T00:00:00Z', '2026-11-23T23:59:59.999999Z']) await insert(ts)
    expect(await database.query('SELECT count(*) AS rows FROM readings_20261123')).to.deep.equal([{ rows: 2n }])
    const error = await insert('2026-11-23T00:00:00Z').catch((cause: unknown) => cause)
    expect(error).to.have.property('code', '23505')
  })

  it('are made while a transaction writes, which goes on', async () => {
    const writer = await database.connect()
    await createPostgresBackend().ensureDays(await open(), [day])
    await writer.query("BEGIN; INSERT INTO readings (device_id, ts, time_estimated) VALUES ('hive', '2026-11-23T01:00:00Z', false)")
    await createPostgresBackend().ensureDays(await open(), [day + 1])
    await writer.query("INSERT INTO readings (device_id, ts, time_estimated) VALUES ('hive', '2026-11-24T01:00:00Z', false); COMMIT")
    expect(await partitions()).to.include('readings_20261124')
  })

  it('wait for a lock in short tries, so that writers do not queue up behind', async () => {
    const blocker = await database.connect()
    await blocker.query('BEGIN; LOCK TABLE readings_default IN ACCESS SHARE MODE')
    const making = createPostgresBackend().ensureDays(await open(), [day])
    await sleep(700)
    await blocker.query('COMMIT')
    await making
    expect(await partitions()).to.include('readings_20261123')
  })

  it('count strays, and take them in', async () => {
    const backend = createPostgresBackend()
    const session = await open()
    for (const ts of ['2026-11-23T01:00:00Z', '2026-11-23T02:00:00Z', '2031-01-01T00:00:00Z']) await insert(ts)
    expect(await backend.strays(session)).to.equal(3n)
    const { days, exact } = await backend.strayDays(session)
    expect([exact, days]).to.deep.equal([
      true,
      [
        { day, rows: 2 },
        { day: dayOf(Date.UTC(2031, 0, 1)), rows: 1 },
      ],
    ])
    for (const each of days) expect((await backend.make(session, dayRange(each.day ?? 0))).moved).to.equal(each.rows)
    expect(await backend.strays(session)).to.equal(0n)
    expect(await database.query('SELECT count(*) AS rows FROM readings')).to.deep.equal([{ rows: 3n }])
  })

  it('take a stray along that arrived before its day’s partition', async () => {
    const backend = createPostgresBackend()
    await insert('2026-11-23T01:00:00Z')
    await backend.ensureDays(await open(), [day])
    expect(await database.query('SELECT count(*) AS rows FROM readings_20261123')).to.deep.equal([{ rows: 1n }])
    expect(await backend.strays(await open())).to.equal(0n)
  })
})
