import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import { migrateTelemetry } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import { type ScratchDatabase, scratchDatabase } from './scratch-database.ts'

/** Time in hours and value of a counter; null for a row that has none. */
type Point = readonly [hour: number, value: number | null]

for (const backend of ['timescaledb', 'postgres'] as const) {
  describe(`counters on ${backend}`, () => {
    let database: ScratchDatabase

    before(async () => {
      database = await scratchDatabase('TELEMETRY_DATABASE_URL')
      const migrations = await readMigrations(join(import.meta.dirname, '../../../db/telemetry'))
      await migrateTelemetry({ url: database.url, migrations, quantities, backend })
    })

    beforeEach(async () => {
      await database.query('DELETE FROM readings')
    })

    after(async () => {
      await database[Symbol.asyncDispose]()
    })

    /** Hours count from midnight of 25 October 2026 in Vienna, when summer time ends. */
    const insert = async (device: string, points: readonly Point[]): Promise<void> => {
      await database.query(
        `INSERT INTO readings (device_id, ts, time_estimated, energy)
         SELECT $1, '2026-10-25 00:00+02'::timestamptz + hour * interval '1 hour', false, value
         FROM unnest($2::float8[], $3::float8[]) AS point (hour, value)`,
        [device, points.map(([hour]) => hour), points.map(([, value]) => value)],
      )
    }
    const increase = async (text = 'energy ORDER BY ts'): Promise<unknown> =>
      (await database.query(`SELECT counter_increase(${text}) AS increase FROM readings`))[0]?.increase

    it('adds up the rises, whatever order the rows were written in', async () => {
      await insert('plug', [
        [3, 14],
        [0, 10],
        [2, 12.5],
      ])
      expect(await increase()).to.equal(4)
    })

    it('takes a fall for a reset, and never for a negative consumption', async () => {
      await insert('plug', [
        [0, 100],
        [1, 101],
        [2, 0.5],
        [3, 2],
        [4, 0],
      ])
      expect(await increase()).to.equal(3)
    })

    it('leaves out NULLs, between two values too; is NULL without a value and 0 with one', async () => {
      expect(await increase()).to.equal(null)
      await insert('plug', [[0, null]])
      expect(await increase()).to.equal(null)
      await insert('plug', [[1, 7]])
      expect(await increase()).to.equal(0)
      await insert('plug', [
        [2, null],
        [3, 9],
      ])
      expect(await increase()).to.equal(2)
    })

    it('takes a small fall for noise if it is told to, and does not count the way back', async () => {
      await insert('plug', [
        [0, 1000.25],
        [1, 1000],
        [2, 1000.25],
        [3, 1001],
        [4, 0.5],
      ])
      expect(await increase('energy, 0.25 ORDER BY ts')).to.equal(1.25)
      expect(await increase()).to.be.greaterThan(1000)
    })

    it('gives what a loop over the values gives', async () => {
      const value = fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 0, max: 50 }) }, { weight: 1, arbitrary: fc.constant(null) })
      await fc.assert(
        fc.asyncProperty(fc.array(value, { maxLength: 40 }), async (values) => {
          const [row] = await database.query(
            `SELECT counter_increase(value ORDER BY place) AS increase, counter_increase(value, 0 ORDER BY place) AS tolerant
             FROM unnest($1::float8[]) WITH ORDINALITY AS point (value, place)`,
            [values],
          )
          const present = values.filter((each) => each !== null)
          const rises = present
            .slice(1)
            .map((each, index) => (each >= (present[index] as number) ? each - (present[index] as number) : each))
          const expected = present.length === 0 ? null : rises.reduce((sum, rise) => sum + rise, 0)
          expect(row).to.deep.equal({ increase: expected, tolerant: expected })
        }),
        { numRuns: 50 },
      )
    })

    it('gives days of a time zone that add up to the whole, a step to the day in which it ends', async () => {
      // The first value is of the day before; this day has 25 hours.
      await insert('plug', [
        [-1, 1],
        [1, 3],
        [24.5, 10],
        [25.5, 11],
        [30, 0.5],
      ])
      await insert('other', [
        [0, 500],
        [30, 501],
      ])
      const days = await database.query(
        `SELECT device_id, to_char(day AT TIME ZONE 'Europe/Vienna', 'YYYY-MM-DD') AS day, sum(step) AS kwh
         FROM (
           SELECT device_id, date_trunc('day', ts, 'Europe/Vienna') AS day,
             counter_delta(lag(energy) OVER (PARTITION BY device_id ORDER BY ts), energy) AS step
           FROM readings WHERE energy IS NOT NULL
         ) AS steps
         WHERE day >= '2026-10-25 00:00 Europe/Vienna' GROUP BY device_id, day ORDER BY device_id, day`,
      )
      expect(days).to.deep.equal([
        { device_id: 'other', day: '2026-10-25', kwh: null },
        { device_id: 'other', day: '2026-10-26', kwh: 1 },
        { device_id: 'plug', day: '2026-10-25', kwh: 9 },
        { device_id: 'plug', day: '2026-10-26', kwh: 1.5 },
      ])
    })

    it('does not forbid a parallel plan to the query it is in', async () => {
      const [functions] = await database.query(
        "SELECT bool_and(proparallel = 's' AND provolatile = 'i') AS safe FROM pg_proc WHERE proname LIKE 'counter\\_%'",
      )
      expect(functions).to.deep.equal({ safe: true })
    })
  })
}
