/**
 * Migrates a table of ROWS rows (20 million) to the past of readings under a writer at full speed,
 * on BACKEND (postgres or timescaledb), and prints each step with the writer's longest write
 * meanwhile. `test/bench/migrate-table` starts the server.
 */
import { move, startWriter } from '../pipeline/move-rig.ts'
import { testStore } from '../pipeline/test-store.ts'

const rows = Number(process.env.ROWS ?? 20_000_000)
const backend = process.env.BACKEND === 'timescaledb' ? 'timescaledb' : 'postgres'
const INSERT = `INSERT INTO sensor_data (sensor_id, recorded_at, temp)
  SELECT 'writer-' || n, clock_timestamp(), $1::integer FROM generate_series(1, 100) AS n`
const SUM = (table: string): string =>
  `SELECT count(*)::text AS rows, sum(hashtextextended(concat_ws('|', sensor_id, recorded_at, temp, id), 0))::text AS sum
   FROM ${table} WHERE sensor_id LIKE 'sensor-%'`

await using store = await testStore(backend)
const { database } = store
const say = (line: string): void => console.log(line)
const timed = async <Result>(what: string, work: Promise<Result>): Promise<Result> => {
  const beganMs = performance.now()
  const result = await work
  say(`${what}: ${((performance.now() - beganMs) / 1000).toFixed(1)} s`)
  return result
}
await timed(
  `${rows} rows of 500 sensors and 60 days written`,
  database.query(`
    CREATE TABLE sensor_data (id bigserial, sensor_id varchar(40) NOT NULL, recorded_at timestamptz NOT NULL, temp double precision);
    INSERT INTO sensor_data (sensor_id, recorded_at, temp)
      SELECT 'sensor-' || n % 500, now() - n * (interval '60 days' / ${rows}), n % 97 FROM generate_series(1, ${rows}) AS n;
    ALTER TABLE sensor_data ADD PRIMARY KEY (id);
    ANALYZE sensor_data`),
)
const [before] = await timed('checksum before', database.query(SUM('sensor_data')))
const [size] = await database.query(
  "SELECT pg_size_pretty(pg_table_size('sensor_data')) AS table, pg_size_pretty(pg_indexes_size('sensor_data')) AS index",
)
say(`table ${size?.table}, key ${size?.index}`)
const writer = await startWriter(database, INSERT)
await new Promise((resolve) => setTimeout(resolve, 5_000))
say(`the writer alone: longest write ${Math.round(writer.lap())} ms`)
await timed(
  'all steps',
  move(
    database,
    backend,
    { table: 'sensor_data', time: 'recorded_at', device: 'sensor_id', map: { temp: 'temperature' }, keep: ['id'] },
    undefined,
    (line) => say(`${line}; longest write until then ${Math.round(writer.lap())} ms`),
  ),
)
const written = await writer.stop()
say(`the writer wrote ${written.rows} rows; its longest write took ${Math.round(written.longestMs)} ms`)
const [after] = await timed('checksum after', database.query(SUM('sensor_data')))
const [all] = await database.query('SELECT count(*)::text AS rows FROM sensor_data')
const same = before?.rows === after?.rows && before?.sum === after?.sum && all?.rows === String(rows + written.rows)
say(`${all?.rows} rows; checksum ${same ? 'equal' : `differs: ${JSON.stringify([before, after])}`}`)
process.exitCode = same ? 0 : 1
