import { expect } from 'chai'
import type { BackendName } from '../../connectors/postgres/backend.ts'
import { findBackend } from '../../connectors/postgres/backend-choice.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { dayOf } from '../../connectors/postgres/days.ts'
import { DAY_MS } from '../../processors/store/time-ranges.ts'
import { move, startWriter } from './move-rig.ts'
import { type ScratchDatabase, scratchDatabase } from './scratch-database.ts'
import { type TestStore, testStore } from './test-store.ts'

const ROWS = 200_000
/** The bound is 250 ms; on a busy machine the writer itself is slower at times. */
const LONGEST_STALL_MS = 1_500

/** A table as somebody has it: names of its own, a number as its key, rows of 60 days. */
const SENSOR_DATA = `
  CREATE TABLE sensor_data (id bigserial PRIMARY KEY, sensor_id varchar(40) NOT NULL, recorded_at timestamptz, temp double precision NOT NULL, note text);
  INSERT INTO sensor_data (sensor_id, recorded_at, temp, note)
    SELECT 'sensor-' || n % 500, date_trunc('second', now()) - n * interval '26 seconds', n % 97, 'n' || n FROM generate_series(1, ${ROWS}) AS n`
const AS_READINGS = {
  table: 'sensor_data',
  time: 'recorded_at',
  device: 'sensor_id',
  map: { temp: 'temperature' },
  keep: ['id', 'note'],
} as const
const INSERT = `INSERT INTO sensor_data (sensor_id, recorded_at, temp, note)
  SELECT 'writer-' || n, clock_timestamp(), $1::integer, 'w' FROM generate_series(1, 100) AS n`

const STEPS = {
  postgres: ['index', 'check', 'validate', 'swap', 'analyze', 'rollups'],
  timescaledb: ['index', 'double', 'copy', 'compare', 'swap', 'analyze', 'rollups'],
} as const
const EVENTS = `
  CREATE TABLE kinds (id integer PRIMARY KEY);
  INSERT INTO kinds VALUES (1), (2);
  CREATE TABLE events (id bigserial PRIMARY KEY, kind integer NOT NULL REFERENCES kinds, at timestamptz NOT NULL,
    text varchar(9) DEFAULT 'none', length integer GENERATED ALWAYS AS (kind * 2) STORED, CONSTRAINT positive CHECK (kind > 0));
  CREATE INDEX events_kind_at ON events (kind, at);
  GRANT SELECT ON events TO PUBLIC;
  CREATE TABLE noticed (id bigint);
  CREATE FUNCTION notice() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO noticed VALUES (NEW.id); RETURN NULL; END $$;
  INSERT INTO events (kind, at) SELECT 1, now() - n * interval '1 hour' FROM generate_series(1, 1000) AS n;
  CREATE TRIGGER noticing AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION notice()`

/** Rows, and a sum over what is in each. */
const CHECKSUM = (table: string): string =>
  `SELECT count(*)::integer AS rows, sum(hashtextextended(concat_ws('|', sensor_id, recorded_at, temp, note, id), 0)) AS sum FROM ${table}`

async function failure(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'done',
    (cause: unknown) => (cause instanceof Error ? cause.message : String(cause)),
  )
}

function migrating(backend: BackendName): void {
  describe(`migrating a table on ${backend}`, () => {
    let store: TestStore
    let database: ScratchDatabase

    beforeEach(async () => {
      store = await testStore(backend)
      database = store.database
    })
    afterEach(() => store[Symbol.asyncDispose]())

    it('makes it the past of readings under a writer, each step killed once: nothing is lost, and the store goes on', async () => {
      await database.query(SENSOR_DATA)
      const [before] = await database.query(CHECKSUM('sensor_data'))
      const writer = await startWriter(database, INSERT)
      const killed: string[] = []
      for (const step of STEPS[backend])
        killed.push(await failure(move(database, backend, AS_READINGS, { at: `${step}: begins`, afterMs: 0 })))
      expect(killed.filter((message) => message !== 'done')).to.have.length.greaterThan(3)
      await move(database, backend, { table: 'sensor_data' })
      const { rows, longestMs } = await writer.stop()
      console.log(`      longest write: ${Math.round(longestMs)} ms, of ${rows} rows`)
      expect(await database.query('SELECT count(*)::integer AS rows FROM sensor_data')).to.deep.equal([{ rows: ROWS + rows }])
      expect(await database.query(CHECKSUM("sensor_data WHERE sensor_id LIKE 'sensor-%'"))).to.deep.equal([before])
      expect(longestMs).to.be.lessThan(LONGEST_STALL_MS)
      // The store and the table's own writers, now and in two days; both see each other's rows.
      const nowMs = Date.now()
      await store.write([-30, 0, 3].map((days) => ({ device: 'hive', tsMs: nowMs + days * DAY_MS, temperature: 1 })))
      await database.query("INSERT INTO sensor_data (sensor_id, recorded_at, temp) VALUES ('hive', now() + interval '4 days', 2)")
      const sql = 'SELECT count(*)::integer AS rows FROM'
      expect(await database.query(`${sql} readings WHERE device_id = 'hive'`)).to.deep.equal([{ rows: 4 }])
      expect(await database.query(`${sql} sensor_data WHERE sensor_id = 'hive' AND (id IS NULL) = (temp = 1)`)).to.deep.equal([{ rows: 4 }])
      expect(await database.query('SELECT sum(rows)::integer AS rows FROM readings_hourly')).to.deep.equal([{ rows: ROWS + rows + 4 }])
    })
  })
}

migrating('postgres')

describe('undoing the migration of a table to the past of readings', () => {
  it('gives back the table with its key, with rows that came since, and takes them out of readings and roll-ups', async () => {
    await using store = await testStore('postgres')
    const { database } = store
    await database.query(`${SENSOR_DATA.replace(String(ROWS), '5000')}; CREATE INDEX sensor_data_time ON sensor_data (recorded_at)`)
    // The store has made today's partition already.
    await using other = createDatabase({ url: database.url, applicationName: 'test' })
    await other.use(async (session) => (await findBackend(session, 'postgres')).ensureDays(session, [dayOf(Date.now())]))
    await move(database, 'postgres', AS_READINGS)
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

  it('is undone before the swap without a trace', async () => {
    const before = await shape(database)
    await failure(move(database, 'postgres', { table: 'events', time: 'at', key: ['id', 'at'] }, { at: 'swap: begins', afterMs: 0 }))
    await move(database, 'postgres', { table: 'events', mode: 'undo' })
    expect(await shape(database)).to.deep.equal(before)
    expect(await failure(move(database, 'postgres', { table: 'events', mode: 'undo' }))).to.contain(
      'no migration of table events is under way',
    )
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

/** What the table is to those who use it. */
async function shape(database: ScratchDatabase): Promise<unknown> {
  return database.query(`
    SELECT relkind::text AS what, relacl::text AS how FROM pg_class WHERE oid = 'events'::regclass
    UNION ALL SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'events'::regclass
    UNION ALL SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'events'::regclass
    UNION ALL SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 'events'::regclass AND NOT tgisinternal
    UNION ALL SELECT attname, format_type(atttypid, atttypmod) || attnotnull || attgenerated::text FROM pg_attribute WHERE attrelid = 'events'::regclass AND attnum > 0
    UNION ALL SELECT 'sequence', pg_get_serial_sequence('events', 'id')
    UNION ALL SELECT 'tables', string_agg(relname, ', ' ORDER BY relname) FROM pg_class WHERE relkind IN ('r', 'p', 'S') AND relnamespace = 'public'::regnamespace AND relname <> 'table_move'
    ORDER BY 1, 2`)
}
