import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import type { BackendName } from '../../connectors/postgres/backend.ts'
import { migrateTelemetry } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import { openRollups, type Rollups } from '../../connectors/postgres/rollups.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import type { TestRow } from './readings-batch.ts'
import { differences } from './rollup-oracle.ts'
import { type TestStore, testStore } from './test-store.ts'

const DB = join(import.meta.dirname, '../../../db/telemetry')
const HOUR_MS = 3_600_000
const START = Date.UTC(2026, 10, 23, 22)
type Client = Awaited<ReturnType<TestStore['database']['connect']>>

function random(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    // Numerical Recipes' generator.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 4_294_967_296) * below)
  }
}

/**
 * Rows of a few devices, in a few hours around midnight and in the hour that goes on: repeats and
 * late rows are frequent.
 */
function someRows(next: (below: number) => number, nowMs: number): readonly TestRow[] {
  return Array.from({ length: 1 + next(12) }, () => {
    const start = next(4) === 0 ? nowMs - (nowMs % HOUR_MS) : START + next(4) * HOUR_MS
    return {
      device: `hive-${next(3)}${next(3) === 0 ? '/left "\\\'{' : ''}`,
      tsMs: start + next(20) * 1_000,
      ...(next(3) > 0 ? { temperature: next(1_000) / 7 } : {}),
      ...(next(2) > 0 ? { humidity: next(100) + 0.1 } : {}),
      ...(next(5) === 0 ? { weight: next(9) } : {}),
    }
  })
}

function rollingUp(backend: BackendName): void {
  describe(`roll-ups on ${backend}`, () => {
    let store: TestStore
    let client: Client
    let jobs: Rollups[]
    const job = (settleMs = 0): Rollups => {
      const opened = openRollups({ url: store.database.url, settleMs, openEveryMs: settleMs })
      jobs.push(opened)
      return opened
    }
    const finished = async (rollups: Rollups): Promise<void> => {
      for (let turn = 0; turn < 50 && (await pending()) > 0; turn++) await rollups.turn()
    }
    const pending = async (): Promise<number> => {
      await store.database.query('UPDATE rollup_pending_day SET due_at = now()')
      const [row] = await store.database.query(
        'SELECT (SELECT count(*) FROM rollup_mark) + (SELECT count(*) FROM rollup_pending) + (SELECT count(*) FROM rollup_pending_day) AS left',
      )
      return Number(row?.left)
    }

    beforeEach(async () => {
      jobs = []
      store = await testStore(backend, 'keep-last')
      client = await store.database.connect()
    })

    afterEach(async () => {
      for (const opened of jobs) await opened[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
    })

    it('equal a recomputation after each of 16 batches with repeats, late rows, other values and deletions, while a job works at random', async () => {
      const rollups = job()
      for (const seed of [1, 2]) {
        const next = random(seed)
        for (let step = 0; step < 8; step++) {
          expect(await store.write(someRows(next, Date.now()))).to.have.property('tag', 'committed')
          if (next(5) === 0)
            await client.query('DELETE FROM readings WHERE ctid = ANY (ARRAY(SELECT ctid FROM readings ORDER BY random() LIMIT 2))')
          if (next(5) === 0)
            await client.query('UPDATE readings SET temperature = temperature + 1 WHERE device_id = $1', [`hive-${next(3)}`])
          if (next(2) === 0) await rollups.turn()
          if (next(6) === 0) await finished(rollups)
          expect(await differences(client), `seed ${seed}, step ${step}`).to.deep.equal([])
        }
      }
      await finished(rollups)
      expect([await pending(), await differences(client)]).to.deep.equal([0, []])
    })

    it('equal a recomputation while two jobs work and are killed again and again', async () => {
      const killer = await store.database.connect()
      let over = false
      const working = [job(), job()].map(async (rollups) => {
        while (!over) await rollups.turn().catch(() => undefined)
      })
      const killing = (async () => {
        while (!over) {
          await killer.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'millrace roll-ups' AND datname = current_database() ORDER BY random() LIMIT 1",
          )
          await sleep(40)
        }
      })()
      const next = random(3)
      try {
        for (let step = 0; step < 6; step++) {
          await store.write(someRows(next, Date.now()))
          expect(await differences(client), `step ${step}`).to.deep.equal([])
        }
      } finally {
        over = true
        await Promise.all([...working, killing])
      }
      await finished(job())
      expect([await pending(), await differences(client)]).to.deep.equal([0, []])
    })

    it('are told apart from a recomputation by each of their parts', async () => {
      await store.write([0, 10].map((seconds) => ({ device: 'hive', tsMs: START + seconds * 1_000, temperature: 20 + seconds })))
      await finished(job())
      expect(await differences(client)).to.deep.equal([])
      for (const wrong of [
        'rows = rows + 1',
        'temperature_count = temperature_count + 1',
        'temperature_sum = temperature_sum * (1 + 1e-8)',
        'temperature_min = temperature_min - 1e-9',
        'temperature_max = temperature_max + 1e-9',
        'temperature_first = temperature_last',
        'temperature_last = temperature_first',
        "temperature_first_at = temperature_first_at + interval '1 microsecond'",
        "temperature_last_at = temperature_last_at + interval '1 microsecond'",
        'weight_count = 1',
      ])
        for (const kept of ['readings_hourly_kept', 'readings_daily_kept']) {
          await client.query(`CREATE TEMP TABLE saved AS TABLE ${kept}; UPDATE ${kept} SET ${wrong}`)
          expect(await differences(client), `${kept}: ${wrong}`).to.not.deep.equal([])
          await client.query(`TRUNCATE ${kept}; INSERT INTO ${kept} SELECT * FROM saved; DROP TABLE saved`)
        }
      await client.query('UPDATE latest_readings_kept SET temperature = temperature + 1e-9')
      expect(await differences(client)).to.have.length(1)
    })

    it('miss nothing of a transaction that is open while the job works on its hour', async () => {
      const rollups = job()
      await store.write([{ device: 'hive', tsMs: START, temperature: 1 }])
      const writer = await store.database.connect()
      await writer.query(
        `BEGIN; INSERT INTO readings (device_id, ts, time_estimated, temperature) VALUES ('hive', '2026-11-23 22:00:05Z', false, 9)`,
      )
      await finished(rollups)
      expect(await differences(client)).to.deep.equal([])
      await writer.query('COMMIT')
      expect(await differences(client)).to.deep.equal([])
      await finished(rollups)
      expect(await differences(client)).to.deep.equal([])
      expect(await store.database.query('SELECT rows, temperature_max FROM readings_hourly_kept')).to.deep.equal([
        { rows: 2n, temperature_max: 9 },
      ])
    })

    it('read no more than what came after, if an hour goes on in order', async () => {
      const rollups = job()
      await store.write([{ device: 'hive', tsMs: START, temperature: 1 }])
      await finished(rollups)
      // If the hour was read again as a whole, this would show.
      await store.database.query('UPDATE readings_hourly_kept SET temperature_sum = 100')
      await store.write([{ device: 'hive', tsMs: START + 1_000, temperature: 2 }])
      const sum = 'SELECT temperature_sum, rows FROM readings_hourly'
      expect(await store.database.query(sum)).to.deep.equal([{ temperature_sum: 102, rows: 2n }])
      await finished(rollups)
      expect(await store.database.query(sum)).to.deep.equal([{ temperature_sum: 102, rows: 2n }])
      await store.write([{ device: 'hive', tsMs: START + 500, temperature: 3 }])
      expect(await store.database.query(sum)).to.deep.equal([{ temperature_sum: 6, rows: 3n }])
    })

    it('keep what they have of readings that were dropped, and add what comes later', async () => {
      const rollups = job()
      await store.write([0, 10, 20].map((seconds) => ({ device: 'hive', tsMs: START + seconds * 1_000, temperature: seconds })))
      const drop = async (): Promise<boolean> => {
        await client.query('BEGIN; SELECT rollup_lock()')
        const { rows } = await client.query<{ done: boolean }>("SELECT rollup_settle('2026-11-23Z', '2026-11-24Z') AS done")
        const done = rows[0]?.done === true
        // As a partition that is dropped: no trigger hears of it.
        if (done) await client.query("SET LOCAL millrace.marks = 'on'; DELETE FROM readings")
        await client.query('COMMIT')
        return done
      }
      expect(await drop()).to.equal(false)
      await finished(rollups)
      expect(await drop()).to.equal(true)
      const hour = async (): Promise<unknown> =>
        (
          await client.query(
            'SELECT rows::int, temperature_sum AS sum, temperature_first AS first, temperature_last AS last, temperature_min AS min FROM readings_hourly',
          )
        ).rows
      expect(await hour()).to.deep.equal([{ rows: 3, sum: 30, first: 0, last: 20, min: 0 }])
      for (const [seconds, temperature] of [
        [15, 5],
        [25, -1],
        [12, 1],
      ] as const)
        await store.write([{ device: 'hive', tsMs: START + seconds * 1_000, temperature }])
      const late = [{ rows: 6, sum: 35, first: 0, last: -1, min: -1 }]
      expect(await hour()).to.deep.equal(late)
      await finished(rollups)
      expect(await hour()).to.deep.equal(late)
      expect(await drop()).to.equal(true)
      expect(await hour()).to.deep.equal(late)
      expect((await client.query('SELECT temperature FROM latest_readings')).rows).to.deep.equal([{ temperature: -1 }])
    })

    it('are dropped by their age: days keep what hours had, and what comes later is added once', async () => {
      const rollups = job()
      const DAY = 86_400_000
      const minute = (n: number, temperature: number, device = 'hive'): { device: string; tsMs: number; temperature: number } => ({
        device,
        tsMs: START + n * 60_000,
        temperature,
      })
      await store.write([minute(0, 1), minute(10, 9), minute(20, 2), minute(5, 3, 'other'), { ...minute(0, 4), tsMs: START + 5 * DAY }])
      await finished(rollups)
      const days = async (): Promise<unknown> =>
        (
          await client.query(
            `SELECT device_id, rows::int, temperature_count::int AS count, temperature_sum AS sum, temperature_min AS min, temperature_max AS max,
               temperature_first AS first, temperature_last AS last FROM readings_daily WHERE day = '2026-11-23Z' ORDER BY device_id`,
          )
        ).rows
      const hours = async (): Promise<unknown> =>
        (await client.query("SELECT device_id, rows::int FROM readings_hourly WHERE hour < '2026-11-24Z' ORDER BY device_id, hour")).rows
      const other = { device_id: 'other', rows: 1, count: 1, sum: 3, min: 3, max: 3, first: 3, last: 3 }
      const before = [{ device_id: 'hive', rows: 3, count: 3, sum: 12, min: 1, max: 9, first: 1, last: 2 }, other]
      expect(await days()).to.deep.equal(before)
      const retention = { hourlyDays: 3, dailyDays: 3 }
      // The readings are there: nothing is dropped.
      expect(await rollups.drop(retention)).to.equal(0)
      const settle = async (): Promise<void> => {
        await client.query('BEGIN; SELECT rollup_lock()')
        const { rows } = await client.query<{ done: boolean }>("SELECT rollup_settle('2026-11-23Z', '2026-11-24Z') AS done")
        expect(rows[0]?.done).to.equal(true)
        // As a partition that is dropped: no trigger hears of it.
        await client.query("SET LOCAL millrace.marks = 'on'; DELETE FROM readings WHERE ts < '2026-11-24Z'; COMMIT")
      }
      await settle()
      // The newest is of five days later: six are too many.
      expect(await rollups.drop({ hourlyDays: 6, dailyDays: undefined })).to.equal(0)
      expect(await rollups.drop({ hourlyDays: 5, dailyDays: 6 })).to.equal(1)
      expect([await hours(), await days()]).to.deep.equal([[], before])
      expect(await rollups.drop({ hourlyDays: 5, dailyDays: 6 })).to.equal(0)
      // Late ones of the same hour, before and after what was there, each seen at once.
      await store.write([minute(-1, 5), minute(15, 0)])
      const late = [{ device_id: 'hive', rows: 5, count: 5, sum: 17, min: 0, max: 9, first: 5, last: 2 }, other]
      expect(await days()).to.deep.equal(late)
      await finished(rollups)
      expect(await days()).to.deep.equal(late)
      await store.write([minute(30, 10)])
      const later = [{ device_id: 'hive', rows: 6, count: 6, sum: 27, min: 0, max: 10, first: 5, last: 10 }, other]
      expect(await days()).to.deep.equal(later)
      await finished(rollups)
      expect(await days()).to.deep.equal(later)
      expect((await client.query('SELECT device_id, temperature FROM latest_readings ORDER BY device_id')).rows).to.deep.equal([
        { device_id: 'hive', temperature: 4 },
        { device_id: 'other', temperature: 3 },
      ])
      // An older one in the hour of the newest, which is not kept any more.
      await store.write([minute(1, 7, 'other')])
      await finished(rollups)
      expect((await client.query("SELECT temperature FROM latest_readings WHERE device_id = 'other'")).rows).to.deep.equal([
        { temperature: 3 },
      ])
      // What came late is in the table: nothing is dropped before it is gone too, and then again.
      expect(await rollups.drop(retention)).to.equal(0)
      await settle()
      expect(await rollups.drop({ hourlyDays: 3, dailyDays: undefined })).to.equal(1)
      const end = [later[0], { ...other, rows: 2, count: 2, sum: 10, max: 7, first: 7 }]
      expect([await hours(), await days()]).to.deep.equal([[], end])
      await store.write([minute(2, 1, 'other')])
      await finished(rollups)
      expect(await days()).to.deep.equal([later[0], { ...end[1], rows: 3, count: 3, sum: 11, min: 1 }])
      await settle()
      expect(await rollups.drop(retention)).to.equal(2)
      expect([await hours(), await days()]).to.deep.equal([[], []])
      // The newest are not touched.
      expect((await client.query('SELECT rows::int FROM readings_daily')).rows).to.deep.equal([{ rows: 1 }])
    })

    it('are computed anew, hours too, if the readings of a day come back whose hours were dropped', async () => {
      const rollups = job()
      const readings = [0, 10, 20].map((minutes) => ({ device: 'hive', tsMs: START + minutes * 60_000, temperature: minutes }))
      await store.write([...readings, { device: 'hive', tsMs: START + 5 * 86_400_000, temperature: 1 }])
      await finished(rollups)
      await client.query("BEGIN; SELECT rollup_lock(); SELECT rollup_settle('2026-11-23Z', '2026-11-24Z')")
      await client.query("SET LOCAL millrace.marks = 'on'; CREATE TABLE kept AS SELECT * FROM readings WHERE ts < '2026-11-24Z'")
      await client.query("DELETE FROM readings WHERE ts < '2026-11-24Z'; COMMIT")
      expect(await rollups.drop({ hourlyDays: 3, dailyDays: undefined })).to.equal(1)
      // A late one makes a base of the day, which must not be added to all of its readings.
      await store.write([{ device: 'hive', tsMs: START + 60_000, temperature: 7 }])
      await finished(rollups)
      await client.query("BEGIN; SELECT rollup_lock(); SET LOCAL millrace.marks = 'on'; INSERT INTO readings SELECT * FROM kept")
      await client.query("SELECT rollup_reopen('2026-11-23Z', '2026-11-24Z', true); COMMIT")
      expect(await differences(client)).to.deep.equal([])
      await finished(rollups)
      expect(await differences(client)).to.deep.equal([])
    })

    it('have the column of a quantity that is added, with its unit, while a job goes on', async () => {
      const rollups = job()
      await store.write([{ device: 'hive', tsMs: START, temperature: 1 }])
      await rollups.turn()
      const ozone = { name: 'ozone', unit: '[ppb]', minimum: 0, maximum: 1000, doc: 'Ozone.' }
      await migrateTelemetry({ url: store.database.url, migrations: await readMigrations(DB), quantities: [...quantities, ozone], backend })
      await client.query(`INSERT INTO readings (device_id, ts, time_estimated, ozone) VALUES ('hive', '2026-11-23 22:00:05Z', false, 9)`)
      const asked = 'SELECT rows::int, ozone_sum, temperature_sum FROM readings_hourly'
      const expected = [{ rows: 2, ozone_sum: 9, temperature_sum: 1 }]
      expect((await client.query(asked)).rows).to.deep.equal(expected)
      await finished(rollups)
      expect((await client.query(asked)).rows).to.deep.equal(expected)
      expect((await client.query('SELECT ozone FROM latest_readings')).rows).to.deep.equal([{ ozone: 9 }])
      const { rows } = await client.query(
        `SELECT col_description(attrelid, attnum) AS comment FROM pg_attribute WHERE attrelid = 'readings_daily'::regclass AND attname = 'ozone_max'`,
      )
      expect(rows).to.deep.equal([{ comment: 'Largest value. Ozone. Unit: [ppb]' }])
    })

    it('have the readings that were there before them', async () => {
      await store.write([{ device: 'hive', tsMs: START, temperature: 1 }])
      await client.query('TRUNCATE rollup_mark; UPDATE rollup_shape SET filled = false')
      const done = await migrateTelemetry({ url: store.database.url, migrations: await readMigrations(DB), quantities, backend })
      expect(done).to.deep.equal([
        'marked 1 hours of devices for the roll-ups: the store makes them, and until then the views compute them',
      ])
      expect(await differences(client)).to.deep.equal([])
    })

    it('are left alone by repeats', async () => {
      const rows = [{ device: 'hive', tsMs: START, temperature: 1 }]
      await store.write(rows)
      await finished(job())
      await store.write(rows)
      expect(await pending()).to.equal(0)
    })

    it('are not stopped by a mark of an infinite time', async () => {
      await client.query(`INSERT INTO readings (device_id, ts, time_estimated) VALUES ('hive', 'infinity', false)`).catch(() => undefined)
      await store.write([{ device: 'hive', tsMs: START, temperature: 1 }])
      await finished(job())
      expect(await pending()).to.equal(0)
    })

    it('are found by the key for one device and a few hours', async () => {
      for (let hour = 0; hour < 3; hour++) await store.write([{ device: 'hive', tsMs: START + hour * HOUR_MS, temperature: 1 }])
      await store.database.query(`INSERT INTO readings_hourly_kept (device_id, hour, upto, rows)
        SELECT 'device-' || d, timestamptz '2026-01-01Z' + h * interval '1 hour', timestamptz '2026-01-01Z', 1
        FROM generate_series(1, 100) d, generate_series(1, 200) h`)
      await store.database.query('ANALYZE readings_hourly_kept')
      const plan = JSON.stringify(
        await store.database.query(
          `EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT hour, temperature_sum FROM readings_hourly
           WHERE device_id = 'device-7' AND hour >= '2026-01-03Z' AND hour < '2026-01-04Z'`,
        ),
      )
      expect(plan).to.not.match(/Seq Scan on (readings_hourly_kept|readings_2|_hyper)/)
      expect(plan).to.match(/readings_hourly_kept_pkey/)
    })
  })
}

for (const backend of ['timescaledb', 'postgres'] as const) rollingUp(backend)
