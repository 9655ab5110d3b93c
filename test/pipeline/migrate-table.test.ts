import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect } from 'chai'
import { findBackend } from '../../connectors/postgres/backend-choice.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { dayOf } from '../../connectors/postgres/days.ts'
import { partitionReport } from '../../ops/partitions.ts'
import { DAY_MS } from '../../processors/store/time-ranges.ts'
import { projectRoot } from '../../schemas/files.ts'
import { AS_READINGS, EVENTS, failure, INSERT, migrating, sensorData, shape } from './move-cases.ts'
import { move } from './move-rig.ts'
import { type ScratchDatabase, scratchDatabase } from './scratch-database.ts'
import { testStore } from './test-store.ts'

migrating('postgres')

describe('undoing the migration of a table to the past of readings', () => {
  it('gives back the table with its key, with rows that came since, and takes them out of readings and roll-ups', async () => {
    await using store = await testStore('postgres')
    const { database } = store
    await database.query(`${sensorData(5000)}; CREATE INDEX sensor_data_time ON sensor_data (recorded_at)`)
    // The store has made today's partition already.
    await using other = createDatabase({ url: database.url, applicationName: 'test' })
    await other.use(async (session) => (await findBackend(session, 'postgres')).ensureDays(session, [dayOf(Date.now())]))
    await move(database, 'postgres', AS_READINGS)
    const report = await other.use(async (session) =>
      partitionReport(await findBackend(session, 'postgres'), session, { daysAhead: 2, retentionDays: 1 }, Date.now()),
    )
    expect(report.partitions.map(({ name, foreign, dropsAt }) => ({ name, foreign, dropsAt }))).to.deep.equal([
      { name: 'sensor_data_old', foreign: true, dropsAt: null },
    ])
    expect(report.toBeMade).to.deep.equal([new Date(Date.now() + 2 * DAY_MS).toISOString().slice(0, 10)])
    await database.query(INSERT, [1])
    expect(await database.query('SELECT sum(rows)::integer AS rows FROM readings_hourly')).to.deep.equal([{ rows: 5100 }])
    await failure(move(database, 'postgres', { table: 'sensor_data', mode: 'undo' }, { at: 'undo', afterMs: 2 }))
    await failure(move(database, 'postgres', { table: 'sensor_data', mode: 'undo' }))
    await database.query(INSERT, [2])
    expect(
      await database.query(
        "SELECT count(*)::integer AS rows, relkind::text AS kind FROM sensor_data, pg_class WHERE oid = 'sensor_data'::regclass GROUP BY 2",
      ),
    ).to.deep.equal([{ rows: 5200, kind: 'r' }])
    expect(await failure(database.query('INSERT INTO sensor_data SELECT * FROM sensor_data LIMIT 1'))).to.contain('sensor_data_pkey')
    expect(await database.query('SELECT count(*)::integer AS rows FROM readings')).to.deep.equal([{ rows: 0 }])
    expect(await database.query('SELECT sum(rows)::integer AS rows FROM readings_hourly')).to.deep.equal([{ rows: null }])
    await move(database, 'postgres', AS_READINGS)
    expect(await database.query('SELECT count(*)::integer AS rows FROM readings')).to.deep.equal([{ rows: 5200 }])
  })
})

describe('migrating a table to partitions of its own', () => {
  let database: ScratchDatabase

  beforeEach(async () => {
    database = await scratchDatabase('TELEMETRY_DATABASE_URL')
    await database.query(EVENTS)
  })
  afterEach(() => database[Symbol.asyncDispose]())

  it('takes over what hangs on it, and undo gives all of it back with what came since', async () => {
    const before = await shape(database)
    await move(database, 'postgres', { table: 'events', time: 'at', key: ['id', 'at'] })
    await database.query("INSERT INTO events (kind, at) VALUES (1, now()), (1, now() + interval '1 day'), (2, now() + interval '10 days')")
    expect(await failure(database.query('INSERT INTO events (kind, at) VALUES (9, now())'))).to.contain('events_kind_fkey')
    expect(await database.query('SELECT count(*)::integer AS rows, count(DISTINCT tableoid)::integer AS parts FROM events')).to.deep.equal([
      { rows: 1003, parts: 2 },
    ])
    expect(await database.query('SELECT count(*)::integer AS noticed FROM noticed')).to.deep.equal([{ noticed: 3 }])
    expect((await database.query("SELECT relname FROM pg_class WHERE relname ~ '^events_[0-9]+$'")).length).to.be.greaterThan(0)
    await move(database, 'postgres', { table: 'events', mode: 'undo' })
    expect(await shape(database)).to.deep.equal(before)
    expect(await database.query('SELECT count(*)::integer AS rows FROM events')).to.deep.equal([{ rows: 1003 }])
    await database.query('INSERT INTO events (kind, at) VALUES (1, now())')
    expect(await database.query('SELECT count(*)::integer AS noticed FROM noticed')).to.deep.equal([{ noticed: 4 }])
  })

  it('goes on from the command line after SIGKILL while the index is built', async () => {
    await database.query("INSERT INTO events (kind, at) SELECT 2, now() - n * interval '1 second' FROM generate_series(1, 60000) AS n")
    const run = (...options: readonly string[]): ChildProcess =>
      spawn(process.execPath, [`${projectRoot}dist/bin/millrace.js`, 'migrate-table', 'events', ...options], {
        // No broker is needed, nor its password.
        env: { ...process.env, TELEMETRY_DATABASE_URL: database.url, MQTT_PASSWORD_FILE: undefined },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
    const killed = run('--time', 'at', '--key', 'id,at')
    killed.stdout?.on('data', (chunk: Buffer) => String(chunk).includes('index: begins') && killed.kill('SIGKILL'))
    expect((await once(killed, 'exit'))[1]).to.equal('SIGKILL')
    const again = run()
    let output = ''
    for (const stream of [again.stdout, again.stderr]) stream?.on('data', (chunk: Buffer) => (output += String(chunk)))
    expect([(await once(again, 'exit'))[0], output]).to.deep.equal([0, output])
    expect(output).to.contain('events is migrated')
    expect(await database.query("SELECT relkind::text AS kind FROM pg_class WHERE oid = 'events'::regclass")).to.deep.equal([{ kind: 'p' }])
    expect(await database.query('SELECT count(*)::integer AS rows FROM events')).to.deep.equal([{ rows: 61_000 }])
  })

  it('is undone before the swap without a trace', async () => {
    const before = await shape(database)
    await failure(move(database, 'postgres', { table: 'events', time: 'at', key: ['id', 'at'] }, { at: 'swap: begins', afterMs: 0 }))
    await move(database, 'postgres', { table: 'events', mode: 'undo' })
    expect(await shape(database)).to.deep.equal(before)
    expect(await failure(move(database, 'postgres', { table: 'events', mode: 'undo' }))).to.contain(
      'no migration of table events is under way',
    )
  })

  it('takes names that need quotes, and a time without a zone', async () => {
    const table = '"Odd ""Table"'
    await database.query(`CREATE TABLE ${table} ("The Key" text, "At Time" timestamp, PRIMARY KEY ("The Key", "At Time"));
      INSERT INTO ${table} SELECT n, now() - n * interval '1 hour' FROM generate_series(1, 100) AS n`)
    await move(database, 'postgres', { table, time: 'At Time' })
    await database.query(`INSERT INTO ${table} SELECT 'later', now() + interval '5 days'`)
    expect(await failure(database.query(`INSERT INTO ${table} SELECT * FROM ${table} LIMIT 1`))).to.contain('duplicate key')
    await move(database, 'postgres', { table, mode: 'undo' })
    expect(await database.query(`SELECT count(*)::integer AS rows FROM ${table}`)).to.deep.equal([{ rows: 101 }])
    await move(database, 'postgres', { table, time: 'At Time', cutMs: Date.now() + 10 * DAY_MS })
    await move(database, 'postgres', { table, mode: 'finish' })
    expect(await database.query(`SELECT count(*)::integer AS rows FROM ${table}`)).to.deep.equal([{ rows: 101 }])
  })

  it('makes the next days at each run once it is finished', async () => {
    await move(database, 'postgres', { table: 'events', time: 'at' })
    await move(database, 'postgres', { table: 'events', mode: 'finish' })
    expect(await move(database, 'postgres', { table: 'events' })).to.deep.equal(['events is partitioned, and has its next 2 days'])
    expect(await failure(move(database, 'postgres', { table: 'events', mode: 'undo' }))).to.contain('no migration')
  })

  it('says at a dry run what it would do, and changes nothing', async () => {
    const before = await shape(database)
    const said = (await move(database, 'postgres', { table: 'events', time: 'at', mode: 'dry-run' })).join('\n')
    expect(said)
      .to.match(/swap: at once; ACCESS EXCLUSIVE/)
      .and.contain('ATTACH PARTITION "public"."events_old"')
      .and.contain('primary key events_pkey (id) has no time')
    expect(await shape(database)).to.deep.equal(before)
    expect(await database.query("SELECT to_regclass('table_move') AS notes")).to.deep.equal([{ notes: null }])
  })

  it('refuses what it cannot take over, each by its name', async () => {
    await database.query(`CREATE VIEW recent AS SELECT * FROM events;
      CREATE TABLE comments (event bigint REFERENCES events);
      CREATE FUNCTION newest() RETURNS events LANGUAGE sql AS 'SELECT * FROM events LIMIT 1';
      ALTER TABLE events ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY;
      ALTER TABLE events ENABLE ROW LEVEL SECURITY`)
    const refused = await failure(move(database, 'postgres', { table: 'events', time: 'at' }))
    for (const name of [
      'view recent',
      'comments_event_fkey of table comments',
      'function newest()',
      'column number is an identity',
      'row security',
    ])
      expect(refused).to.contain(name)
    expect(await failure(move(database, 'postgres', { table: 'events', time: 'on' }))).to.contain(
      'no column on (--time), expected one of: id, kind, at',
    )
  })

  it('refuses rows that no partition could take', async () => {
    await database.query(`ALTER TABLE events ALTER COLUMN at DROP NOT NULL;
      INSERT INTO events (kind, at) VALUES (1, NULL), (1, 'infinity'), (1, now() + interval '3 days'), (2, '2026-01-01Z'), (2, '2026-01-01Z')`)
    const refused = await failure(move(database, 'postgres', { table: 'events', time: 'at', key: ['kind', 'at'] }))
    expect(refused)
      .to.contain('1 rows have no at')
      .and.contain('infinite at')
      .and.contain('1 keys (kind, at) occur more than once, such as 2, 2026-01-01')
    expect(refused).to.match(/the last row is of .* --cut/)
  })
})
