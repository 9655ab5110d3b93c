import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { expect } from 'chai'
import { copyAssets } from '../../connectors/postgres/asset-copy.ts'
import { storedFixes } from '../../connectors/postgres/asset-readings.ts'
import { createDatabase, type Database } from '../../connectors/postgres/database.ts'
import { provisionDevices } from '../../connectors/postgres/devices.ts'
import { migrateApp, migrateTelemetry } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import type { DeviceId } from '../../processors/contract.ts'
import { projectRoot } from '../../schemas/files.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import type { Quantity } from '../../schemas/quantities.ts'
import { type ScratchDatabase, scratchDatabase } from './scratch-database.ts'

const A = 'A' as DeviceId
const own: Quantity = { ...(quantities[0] as Quantity), name: 'traffic' }

for (const backend of ['timescaledb', 'postgres'] as const)
  describe(`readings by asset, on ${backend}`, () => {
    let app: ScratchDatabase
    let telemetry: ScratchDatabase
    let databases: { app: Database; telemetry: Database }

    const migrate = async (columns: readonly Quantity[] = quantities) =>
      migrateTelemetry({
        url: telemetry.url,
        migrations: await readMigrations(join(import.meta.dirname, '../../../db/telemetry')),
        quantities: columns,
        backend,
      })

    beforeEach(async () => {
      app = await scratchDatabase('APP_DATABASE_URL')
      telemetry = await scratchDatabase('TELEMETRY_DATABASE_URL')
      await migrateApp({ url: app.url, migrations: await readMigrations(join(import.meta.dirname, '../../../db/app')) })
      await migrate()
      databases = {
        app: createDatabase({ url: app.url, applicationName: 'test' }),
        telemetry: createDatabase({ url: telemetry.url, applicationName: 'test' }),
      }
      await provisionDevices(databases.app, { account: 'bees', site: 'orchard', devices: [A], from: null })
      await telemetry.query(
        `INSERT INTO readings (device_id, ts, time_estimated, temperature, latitude, longitude)
         SELECT device, to_timestamp(0) + hours * interval '1 hour', false, hours, 51, hours FROM generate_series(0, 9) hours, unnest('{A,B,A/brood,B/brood,C}'::text[]) device`,
      )
    })

    afterEach(async () => {
      await databases.app[Symbol.asyncDispose]()
      await databases.telemetry[Symbol.asyncDispose]()
      await app[Symbol.asyncDispose]()
      await telemetry[Symbol.asyncDispose]()
    })

    const of = async (asset: string, from: string | null = null, to: string | null = null): Promise<string> =>
      (
        await telemetry.query('SELECT asset_id, device_id, temperature FROM readings_of_asset($1, $2, $3) ORDER BY ts, device_id', [
          asset,
          from,
          to,
        ])
      )
        .map(({ asset_id, device_id, temperature }) => (asset_id === asset ? `${device_id}:${temperature}` : `not of ${asset}`))
        .join(' ')

    /** The command, as a user runs it. */
    function devices(...args: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
      return new Promise((resolve) => {
        const env = { ...process.env, APP_DATABASE_URL: app.url, TELEMETRY_DATABASE_URL: telemetry.url }
        execFile(process.execPath, [`${projectRoot}dist/bin/millrace.js`, 'devices', ...args], { env }, (error, stdout, stderr) =>
          resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr }),
        )
      })
    }

    it('follow a swap; those of one asset are found by the key', async () => {
      expect(await of('A', '1970-01-01T08:00Z')).to.equal('A:8 A:9')
      const { code, output } = await devices('swap', 'A', 'B', '--at', '1970-01-01T04:00:00Z')
      expect({ code, output }).to.deep.include({ code: 0 })
      expect(output).to.contain('asset A is measured by B in place of A as of 1970-01-01T04:00:00.000Z (UTC)')
      expect(await of('A')).to.equal('A:0 A:1 A:2 A:3 B:4 B:5 B:6 B:7 B:8 B:9')
      expect(await of('A', '1970-01-01T02:00Z', '1970-01-01T06:00Z')).to.equal('A:2 A:3 B:4 B:5')
      expect(await of('A/brood', '1970-01-01T03:00Z', '1970-01-01T05:00Z')).to.equal('A/brood:3 B/brood:4')
      expect(await of('B')).to.equal('B:0 B:1 B:2 B:3')
      expect(await of('A.2', null, '1970-01-01T05:00Z')).to.equal('A:4')
      expect(await of('C', '1970-01-01T09:00Z')).to.equal('C:9')
      const all = await telemetry.query('SELECT asset_id, count(*)::int AS n FROM asset_readings GROUP BY 1 ORDER BY 1')
      expect(all.map(({ asset_id, n }) => `${asset_id} ${n}`)).to.deep.equal([
        'A 10',
        'A.2 6',
        'A.2/brood 6',
        'A/brood 10',
        'B 4',
        'B/brood 4',
        'C 10',
      ])
      // Of so few rows a scan is cheaper.
      await telemetry.query('SET enable_seqscan = off; SET enable_bitmapscan = off')
      const plan = (await telemetry.query(`EXPLAIN SELECT * FROM readings_of_asset('A', '1970-01-01', '1970-01-02')`))
        .map((row) => row['QUERY PLAN'])
        .join('\n')
      expect(plan).to.match(/_pkey[^\n]*\n +Index Cond: \(\(device_id = [^\n]* AND \(ts >= /)
      expect((await devices('history', 'B')).output).to.equal('B\tB\t-\t1970-01-01T04:00:00.000Z\nA\tB\t1970-01-01T04:00:00.000Z\t-\n')
    })

    it('have each new column of the table', async () => {
      await telemetry.query('CREATE VIEW mine AS SELECT asset_id, temperature FROM asset_readings')
      expect(await migrate([...quantities, own])).to.deep.equal(['added to readings: traffic'])
      expect(await migrate([...quantities, own])).to.deep.equal([])
      await telemetry.query(`UPDATE readings SET traffic = 7 WHERE device_id = 'C'`)
      expect(await telemetry.query(`SELECT DISTINCT traffic FROM asset_readings WHERE device_id = 'C'`)).to.deep.equal([{ traffic: 7 }])
      expect(await telemetry.query(`SELECT DISTINCT traffic FROM readings_of_asset('C')`)).to.deep.equal([{ traffic: 7 }])
      // A column that was renamed cannot follow in place.
      await telemetry.query('DROP VIEW mine; ALTER TABLE readings RENAME COLUMN traffic TO flights')
      await migrate()
      expect(await telemetry.query(`SELECT DISTINCT flights FROM readings_of_asset('C')`)).to.deep.equal([{ flights: 7 }])
    })

    it('are known late if the copy fails, which the exit code says; the command again, or the copy by migrate, mends it', async () => {
      await telemetry.query('ALTER TABLE asset_devices RENAME COLUMN valid TO away')
      const failed = await devices('swap', 'A', 'B')
      expect(failed.code).to.equal(1)
      expect(failed.output).to.contain('run this again, or millrace migrate')
      await telemetry.query('ALTER TABLE asset_devices RENAME COLUMN away TO valid')
      expect(await telemetry.query('SELECT FROM asset_devices')).to.have.length(0)
      const again = await devices('swap', 'A', 'B')
      expect(again).to.deep.include({ code: 0 })
      expect(again.output).to.contain('already')
      expect(await telemetry.query('SELECT FROM asset_devices')).to.have.length(4)
      await telemetry.query('TRUNCATE asset_devices')
      expect(await copyAssets(databases.app, databases.telemetry)).to.equal(4)
      expect(await copyAssets(databases.app, databases.telemetry)).to.equal(undefined)
    })

    it('are refused a swap, in words', async () => {
      const refused = await devices('swap', 'A', 'A')
      expect(refused).to.deep.include({ code: 2 })
      expect(refused.output).to.contain('expected two devices, got A twice; nothing was changed')
      expect((await devices('swap', 'A', 'B', '--at', 'yesterday')).output).to.contain('--at')
      expect((await devices('history', 'nobody')).output).to.contain('"nobody"')
    })

    it('give the positions of a device from a moment on', async () => {
      await telemetry.query(`UPDATE readings SET position_accuracy = 5000 WHERE device_id = 'A' AND temperature = 8`)
      expect((await storedFixes(databases.telemetry, A, new Date(7 * 3_600_000))).map(({ longitude }) => longitude)).to.deep.equal([7, 9])
    })
  })
