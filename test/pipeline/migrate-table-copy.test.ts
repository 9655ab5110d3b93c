import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { EVENTS, failure, LONGEST_STALL_MS, migrating, shape } from './move-cases.ts'
import { move, startWriter } from './move-rig.ts'
import { testStore } from './test-store.ts'

migrating('timescaledb')

describe('copying a table', () => {
  const BUSY = `WITH gone AS (DELETE FROM events WHERE id = $1::integer * 3 + 1), moved AS (UPDATE events SET at = at + interval '1 second' WHERE id = $1::integer * 3 + 2),
      changed AS (UPDATE events SET text = 'changed' WHERE id = $1::integer * 3)
    INSERT INTO events (kind, at) SELECT 1, clock_timestamp() + n * interval '1 microsecond' FROM generate_series(1, 100) AS n`
  const SUM = (table: string): string => `SELECT count(*)::integer AS rows, sum(hashtextextended(e::text, 0)) AS sum FROM ${table} AS e`

  it('makes it a hypertable while rows are inserted, changed and deleted, each step killed once; undo has all of it', async () => {
    await using store = await testStore('timescaledb')
    const { database } = store
    await database.query(`${EVENTS}; ALTER TABLE events DROP COLUMN length;
      INSERT INTO events (kind, at) SELECT 2, now() - n * interval '20 seconds' FROM generate_series(1, 30000) AS n`)
    const before = await shape(database)
    const writer = await startWriter(database, BUSY)
    const as = { table: 'events', time: 'at', key: ['id', 'at'] }
    for (const step of ['index', 'double', 'copy', 'compare', 'swap'] as const)
      await failure(move(database, 'timescaledb', as, { at: `${step}: begins`, afterMs: 40 }))
    await move(database, 'timescaledb', as)
    await sleep(300)
    const { rows, longestMs } = await writer.stop()
    console.log(`      longest write: ${Math.round(longestMs)} ms, of ${rows} rows`)
    expect(longestMs).to.be.lessThan(LONGEST_STALL_MS)
    expect(
      await database.query("SELECT count(*)::integer AS tables FROM timescaledb_information.hypertables WHERE hypertable_name = 'events'"),
    ).to.deep.equal([{ tables: 1 }])
    expect((await database.query(SUM('events')))[0]?.rows).to.equal(31_000 + rows - rows / 100)
    // Writes go to the old table too, until the way back is given up.
    const [now] = await database.query(SUM('events'))
    expect(await database.query(SUM('events_old'))).to.deep.equal([now])
    expect(await failure(database.query('TRUNCATE events'))).to.contain('DELETE in place of TRUNCATE')
    await move(database, 'timescaledb', { table: 'events', mode: 'undo' })
    expect(await shape(database)).to.deep.equal(before)
    expect(await database.query(SUM('events'))).to.deep.equal([now])
    await move(database, 'timescaledb', as)
    await move(database, 'timescaledb', { table: 'events', mode: 'finish' })
    expect(await database.query(SUM('events'))).to.deep.equal([now])
    expect(
      await database.query("SELECT to_regclass('events_old') AS old, to_regproc('millrace_move_double_events') AS double"),
    ).to.deep.equal([{ old: null, double: null }])
  })

  it('takes names that need quotes, and a time without a zone in whatever zone its writers are', async () => {
    await using store = await testStore('timescaledb')
    const { database } = store
    const table = '"Odd ""Table"'
    await database.query(`CREATE TABLE ${table} ("The Key" text, "At Time" timestamp);
      INSERT INTO ${table} SELECT n, '2026-10-01'::timestamp + n * interval '1 hour' FROM generate_series(1, 100) AS n`)
    const as = { table, time: 'At Time', device: 'The Key' }
    await failure(move(database, 'timescaledb', as, { at: 'swap: begins', afterMs: 0 }))
    await move(database, 'timescaledb', { table, mode: 'undo' })
    await failure(move(database, 'timescaledb', as, { at: 'copy: begins', afterMs: 0 }))
    await database.query(`SET timezone = 'Asia/Tokyo'; INSERT INTO ${table} VALUES ('tokyo', '2026-10-09 00:00'); RESET timezone`)
    await move(database, 'timescaledb', as)
    expect(await database.query("SELECT count(*)::integer AS rows, max(ts) = '2026-10-09T00:00Z' AS utc FROM readings")).to.deep.equal([
      { rows: 101, utc: true },
    ])
    await move(database, 'timescaledb', { table, mode: 'undo' })
    await move(database, 'timescaledb', { table, time: 'At Time', key: ['The Key', 'At Time'] })
    await database.query(`INSERT INTO ${table} VALUES ('later', now())`)
    await move(database, 'timescaledb', { table, mode: 'undo' })
    expect(await database.query(`SELECT count(*)::integer AS rows FROM ${table}`)).to.deep.equal([{ rows: 102 }])
  })

  it('changes types on the way into readings of plain PostgreSQL, and says which rows readings had already', async () => {
    await using store = await testStore('postgres')
    const { database } = store
    const atMs = Date.UTC(2026, 9, 1)
    await store.write([{ device: '7', tsMs: atMs, temperature: 99 }])
    await database.query(`CREATE TABLE old_style (sensor integer, at timestamp, warmth real, percent integer);
      INSERT INTO old_style SELECT n % 10, '2026-10-01'::timestamp + (n / 10) * interval '10 minutes', n, n % 100 FROM generate_series(0, 4999) AS n`)
    const as = { table: 'old_style', time: 'at', device: 'sensor', map: { warmth: 'temperature', percent: 'humidity' } }
    expect(await failure(move(database, 'postgres', as)))
      .to.contain('column warmth is real, expected double precision')
      .and.contain('--copy')
    const said = await move(database, 'postgres', { ...as, copy: true })
    expect(said).to.include('compare: readings had 1 of these rows with other values: it keeps its own')
    await move(database, 'postgres', { table: 'old_style', mode: 'undo' })
    expect(await database.query("SELECT relkind::text AS kind FROM pg_class WHERE oid = 'old_style'::regclass")).to.deep.equal([
      { kind: 'r' },
    ])
    await move(database, 'postgres', { ...as, copy: true })
    await database.query("INSERT INTO old_style VALUES ('8', '2026-10-01 00:00:01Z', 1, 2)")
    expect(
      await database.query("SELECT count(*)::integer AS rows, sum(temperature) AS sum FROM readings WHERE ts < '2026-11-01Z'"),
    ).to.deep.equal([{ rows: 5001, sum: (4999 * 5000) / 2 - 7 + 99 + 1 }])
    expect(await database.query('SELECT sum(rows)::integer AS rows FROM readings_hourly')).to.deep.equal([{ rows: 5001 }])
    await move(database, 'postgres', { table: 'old_style', mode: 'finish' })
    expect(await database.query('SELECT count(*)::integer AS rows FROM old_style')).to.deep.equal([{ rows: 5001 }])
  })
})
