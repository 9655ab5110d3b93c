import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import type { BackendName } from '../../connectors/postgres/backend.ts'
import { migrateTelemetry } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import { openRollups, type Rollups } from '../../connectors/postgres/rollups.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import type { TestRow } from './readings-batch.ts'
import { type TestStore, testStore } from './test-store.ts'

const DB = join(import.meta.dirname, '../../../db/telemetry')
const START = Date.UTC(2026, 10, 23, 22)
/** Three devices that are now here, now there, around midnight, and in transit. */
const ROW: fc.Arbitrary<TestRow> = fc.record(
  {
    device: fc.constantFrom('hive-1', 'hive-2', 'hive-2/brood'),
    tsMs: fc.integer({ min: 0, max: 4 * 60 }).map((minute) => START + minute * 60_000),
    site: fc.integer({ min: 1, max: 2 }),
    temperature: fc.integer({ min: 0, max: 40 }),
  },
  { requiredKeys: ['device', 'tsMs'] },
)

function reading(backend: BackendName): void {
  describe(`readings of a site on ${backend}`, () => {
    let store: TestStore
    let job: Rollups

    beforeEach(async () => {
      store = await testStore(backend, 'keep-last')
      job = openRollups({ url: store.database.url, settleMs: 0, openEveryMs: 0 })
    })

    afterEach(async () => {
      await job[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
    })

    /** What differs from table readings, of both sites, in all of time and in a part of it. */
    const differences = async (): Promise<readonly unknown[]> => {
      const found: unknown[] = []
      for (const site of [1, 2])
        for (const [since, until] of [
          [null, null],
          ['2026-11-23T23:30:00Z', '2026-11-24T00:10:00Z'],
          ['2026-11-24T00:00:00Z', null],
        ]) {
          const columns = 'device_id, ts, site_id, temperature'
          const one = `SELECT ${columns} FROM readings_of_site($1, $2, $3)`
          const other = `SELECT ${columns} FROM readings WHERE site_id = $1 AND ts >= coalesce($2::timestamptz, '-infinity') AND ts < coalesce($3::timestamptz, 'infinity')`
          found.push(
            ...(await store.database.query(`(${one} EXCEPT ALL ${other}) UNION ALL (${other} EXCEPT ALL ${one})`, [site, since, until])),
          )
        }
      return found
    }

    it('equal those of the table after each batch, correction, deletion and turn of the job', async () => {
      const step = fc.record({
        rows: fc.array(ROW, { minLength: 1, maxLength: 8 }),
        afterwards: fc.constantFrom('turn', 'correct', 'delete', 'nothing'),
      })
      for (const { rows, afterwards } of fc.sample(step, { seed: 14, numRuns: 25 })) {
        expect(await store.write(rows)).to.have.property('tag', 'committed')
        if (afterwards === 'correct')
          await store.database.query(`UPDATE readings SET site_id = 3 - site_id WHERE device_id = $1`, [rows[0]?.device])
        if (afterwards === 'delete')
          await store.database.query(`DELETE FROM readings WHERE device_id = $1 AND ts < $2`, [
            rows[0]?.device,
            new Date(START + 3_600_000),
          ])
        if (afterwards === 'turn') await job.turn()
        expect(await differences()).to.deep.equal([])
      }
      for (let turn = 0; turn < 10; turn++) await job.turn()
      expect(await store.database.query('SELECT count(*)::int AS left FROM rollup_dirty_hours')).to.deep.equal([{ left: 0 }])
      expect(await differences()).to.deep.equal([])
    })

    it('have what was stored before Millrace kept the devices of sites', async () => {
      await store.write([{ device: 'hive-1', tsMs: START, site: 1, temperature: 1 }])
      await job.turn()
      // As a version before left it.
      await store.database.query('TRUNCATE site_devices_kept; UPDATE rollup_shape SET sites_filled = false')
      expect(await differences()).to.have.length(1)
      const options = { url: store.database.url, migrations: await readMigrations(DB), quantities, backend }
      expect(await migrateTelemetry(options)).to.deep.equal(['noted 1 devices of sites: readings_of_site finds their readings'])
      expect(await differences()).to.deep.equal([])
      expect(await migrateTelemetry(options)).to.deep.equal([])
    })

    it('name the asset that was measured', async () => {
      await store.write([{ device: 'hive-1/brood', tsMs: START, site: 1, temperature: 1 }])
      await store.database.query(`INSERT INTO asset_devices (asset_id, device_id, valid) VALUES ('hive-0', 'hive-1', '(,)')`)
      expect(await store.database.query('SELECT asset_id, device_id FROM readings_of_site(1)')).to.deep.equal([
        { asset_id: 'hive-0/brood', device_id: 'hive-1/brood' },
      ])
    })
  })
}

for (const backend of ['timescaledb', 'postgres'] as const) reading(backend)
