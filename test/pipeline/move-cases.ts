import { expect } from 'chai'
import type { BackendName } from '../../connectors/postgres/backend.ts'
import { DAY_MS } from '../../processors/store/time-ranges.ts'
import { move, startWriter } from './move-rig.ts'
import type { ScratchDatabase } from './scratch-database.ts'
import { type TestStore, testStore } from './test-store.ts'

/** A copy takes longer for each. */
const ROWS = { postgres: 200_000, timescaledb: 100_000 } as const
/** The bound is 250 ms; on a busy machine the writer itself is slower at times. */
export const LONGEST_STALL_MS = 1_500

/** A table as somebody has it: names of its own, a number as its key, rows of 60 days. */
export const sensorData = (rows: number): string => `
  CREATE TABLE sensor_data (id bigserial PRIMARY KEY, sensor_id varchar(40) NOT NULL, recorded_at timestamptz, temp double precision NOT NULL, note text);
  INSERT INTO sensor_data (sensor_id, recorded_at, temp, note)
    SELECT 'sensor-' || n % 20, date_trunc('second', now()) - n * interval '26 seconds', n % 97, 'n' || n FROM generate_series(1, ${rows}) AS n`
export const AS_READINGS = {
  table: 'sensor_data',
  time: 'recorded_at',
  device: 'sensor_id',
  map: { temp: 'temperature' },
  keep: ['id', 'note'],
} as const
export const INSERT = `INSERT INTO sensor_data (sensor_id, recorded_at, temp, note)
  SELECT 'writer-' || n, clock_timestamp(), $1::integer, 'w' FROM generate_series(1, 100) AS n`

export const STEPS = {
  postgres: ['index', 'check', 'validate', 'swap', 'analyze', 'rollups'],
  timescaledb: ['index', 'double', 'copy', 'compare', 'swap', 'analyze'],
} as const
export const EVENTS = `
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
export const CHECKSUM = (table: string): string =>
  `SELECT count(*)::integer AS rows, sum(hashtextextended(concat_ws('|', sensor_id, recorded_at, temp, note, id), 0)) AS sum FROM ${table}`

/** Roles are the server's: names of this run. */
const WRITER = `writer_${process.pid}`
const OWNER = `owner_${process.pid}`

export async function failure(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'done',
    (cause: unknown) => (cause instanceof Error ? cause.message : String(cause)),
  )
}

/** What the table is to those who use it. */
export async function shape(database: ScratchDatabase): Promise<unknown> {
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

export function migrating(backend: BackendName): void {
  describe(`migrating a table on ${backend}`, () => {
    let store: TestStore
    let database: ScratchDatabase

    beforeEach(async () => {
      store = await testStore(backend)
      database = store.database
    })
    afterEach(() => store[Symbol.asyncDispose]())

    it('makes it the past of readings under a writer, each step killed once: nothing is lost, and the store goes on', async () => {
      await database.query(sensorData(ROWS[backend]))
      const [before] = await database.query(CHECKSUM('sensor_data'))
      const writer = await startWriter(database, INSERT)
      const killed: string[] = []
      for (const step of STEPS[backend])
        killed.push(await failure(move(database, backend, AS_READINGS, { at: `${step}: begins`, afterMs: 0 })))
      expect(killed.filter((message) => message !== 'done')).to.have.length.greaterThan(3)
      await move(database, backend, { table: 'sensor_data' })
      const { rows, longestMs } = await writer.stop()
      console.log(`      longest write: ${Math.round(longestMs)} ms, of ${rows} rows`)
      expect(await database.query('SELECT count(*)::integer AS rows FROM sensor_data')).to.deep.equal([{ rows: ROWS[backend] + rows }])
      expect(await database.query(CHECKSUM("sensor_data WHERE sensor_id LIKE 'sensor-%'"))).to.deep.equal([before])
      expect(longestMs).to.be.lessThan(LONGEST_STALL_MS)
      // The store and the table's own writers, now and in two days; both see each other's rows.
      const nowMs = Date.now()
      await store.write([-30, 0, 3].map((days) => ({ device: 'hive', tsMs: nowMs + days * DAY_MS, temperature: 1 })))
      await database.query("INSERT INTO sensor_data (sensor_id, recorded_at, temp) VALUES ('hive', now() + interval '4 days', 2)")
      const sql = 'SELECT count(*)::integer AS rows FROM'
      expect(await database.query(`${sql} readings WHERE device_id = 'hive'`)).to.deep.equal([{ rows: 4 }])
      expect(await database.query(`${sql} sensor_data WHERE sensor_id = 'hive' AND (id IS NULL) = (temp = 1)`)).to.deep.equal([{ rows: 4 }])
      expect(await database.query('SELECT sum(rows)::integer AS rows FROM readings_hourly')).to.deep.equal([
        { rows: ROWS[backend] + rows + 4 },
      ])
    })

    it('lets a role that may only write to the table go on at each moment', async () => {
      await database.query(`${sensorData(2000)}; CREATE SCHEMA theirs; ALTER TABLE sensor_data SET SCHEMA theirs; CREATE ROLE ${WRITER}; CREATE ROLE ${OWNER}; GRANT ${WRITER}, ${OWNER} TO CURRENT_USER;
        GRANT USAGE ON SCHEMA theirs TO ${WRITER}, ${OWNER}; GRANT CREATE ON SCHEMA theirs TO ${OWNER}; ALTER TABLE theirs.sensor_data OWNER TO ${OWNER};
        GRANT INSERT, SELECT ON theirs.sensor_data TO ${WRITER}; GRANT USAGE ON SEQUENCE theirs.sensor_data_id_seq TO ${WRITER}`)
      try {
        const write = async (role: string): Promise<unknown> =>
          database.query(
            `BEGIN; SET LOCAL ROLE ${role}; ${INSERT.replace('sensor_data', 'theirs.sensor_data').replace('$1::integer', '1')}; COMMIT`,
          )
        const as = { ...AS_READINGS, table: 'theirs.sensor_data' }
        await failure(move(database, backend, as, { at: 'swap: begins', afterMs: 0 }))
        await write(WRITER)
        await move(database, backend, as)
        await write(WRITER)
        await write(OWNER)
        expect(await database.query('SELECT count(*)::integer AS rows FROM readings')).to.deep.equal([{ rows: 2300 }])
        expect(await database.query('SELECT sum(rows)::integer AS rows FROM readings_hourly')).to.deep.equal([{ rows: 2300 }])
        await move(database, backend, { table: 'theirs.sensor_data', mode: 'undo' })
        await write(WRITER)
        await write(OWNER)
      } finally {
        await database.query(`ROLLBACK; DROP OWNED BY ${WRITER}, ${OWNER} CASCADE; DROP ROLE ${WRITER}; DROP ROLE ${OWNER}`)
      }
    })
  })
}
