import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import type { BackendName } from '../../connectors/postgres/backend.ts'
import { createRegistry } from '../../connectors/registry/registry.ts'
import { DAY_MS } from '../../processors/store/time-ranges.ts'
import { projectRoot } from '../../schemas/files.ts'
import { ArchiveRig } from './archive-rig.ts'
import { frameRecord, produce, testFirmware, wire } from './frames.ts'
import { millrace, until } from './service.ts'
import { address } from './stack-clients.ts'

const THIS_DAY = Math.floor(Date.now() / DAY_MS)
const NOON_MS = (THIS_DAY - 4) * DAY_MS + DAY_MS / 2
const DAY = new Date(NOON_MS).toISOString().slice(0, 10)
const FRAMES = 20
const SAMPLES = 100
const ROWS = FRAMES * SAMPLES

function recomputing(backend: BackendName): void {
  describe(`millrace recompute of a day that is in the archive, on ${backend}`, () => {
    const run = `ra${Date.now().toString(36)}${backend.slice(0, 1)}`
    const device = `${run}-hive`
    const registry = createRegistry(address('REGISTRY_URL'))
    const firmware = testFirmware(run)
    let rig: ArchiveRig
    let config: string

    before(async () => {
      await millrace('migrate')
      rig = await ArchiveRig.open(backend)
      config = join(rig.directory, 'millrace.yaml')
      writeFileSync(config, 'storage: { archive: archive, archive_after_days: 2 }\n')
      await millrace('devices', 'add', '--account', run, '--from', new Date(NOON_MS - DAY_MS).toISOString(), device)
      const id = await registry.register(firmware.subject, firmware.schema('0.02'))
      const frames = Array.from({ length: FRAMES }, (_, seq) =>
        frameRecord(
          device,
          wire(
            id,
            firmware.datum(
              seq,
              NOON_MS + seq * SAMPLES * 1000,
              Array.from({ length: SAMPLES }, (__, sample) => 1500 + sample),
            ),
          ),
        ),
      )
      await produce(frames)
      await rig.query('TRUNCATE readings')
      // Age counts from the newest day that has rows.
      await rig.write(
        [0, 4].map((ago) => ({ device: `${run}-other`, tsMs: (THIS_DAY - ago) * DAY_MS, account: 7, site: 1, temperature: 12 })),
      )
    })
    after(() => rig[Symbol.asyncDispose]())

    const env = (): NodeJS.ProcessEnv => ({ ...process.env, TELEMETRY_DATABASE_URL: rig.url, TELEMETRY_OWNER_URL: rig.url })
    /** The command with the database of the test. */
    const command = (...args: readonly string[]): string => {
      const { stdout, stderr, status } = spawnSync(process.execPath, [`${projectRoot}dist/bin/millrace.js`, ...args, '--config', config], {
        encoding: 'utf8',
        env: env(),
      })
      expect(status, `${stdout}${stderr}`).to.equal(0)
      return stdout
    }
    const asked = ['recompute', '--device', device, '--from', `${DAY}T00:00Z`, '--to', `${DAY}T23:00Z`, '--json'] as const
    const recompute = (
      ...args: readonly string[]
    ): { readonly report: { readonly days: readonly object[] }; readonly replaced: readonly object[] } =>
      JSON.parse(command(...asked, ...args)) as ReturnType<typeof recompute>
    const inFile = async (): Promise<readonly Record<string, unknown>[]> =>
      await rig.read(
        `SELECT device_id, count(*)::integer AS rows, round(sum(temperature), 6)::varchar AS sum
         FROM read_parquet('${rig.directory}/archive/date=${DAY}/*.parquet') GROUP BY 1 ORDER BY 1`,
      )
    /** Of all samples, by a scale. */
    const sum = (scale: number): string => ((1500 * SAMPLES + (SAMPLES * (SAMPLES - 1)) / 2) * FRAMES * scale).toFixed(1)
    const hourly = async (): Promise<string> =>
      String(
        (await rig.query(`SELECT round(sum(temperature_sum)::numeric, 1) AS sum FROM readings_hourly WHERE device_id = '${device}'`))[0]
          ?.sum,
      )

    it('makes rows of what Kafka has, if the table has none', async () => {
      expect(recompute('--apply').replaced).to.deep.equal([
        { day: DAY, restored: false, applied: true, inserted: ROWS, updated: 0, deleted: 0 },
      ])
      await rig.care.rollUp()
      expect(await hourly()).to.equal(sum(0.02))
      expect(command('partitions', 'archive')).to.contain(`${DAY}: archived ${(ROWS + 1).toLocaleString('en-US')} rows`)
      expect(await rig.query(`SELECT count(*) AS rows FROM readings WHERE device_id = '${device}'`)).to.deep.equal([{ rows: 0n }])
    })

    it('compares with the file, and leaves it as it is', async () => {
      await registry.register(firmware.subject, firmware.schema('0.01'))
      const { report } = recompute()
      expect(report.days).to.have.length(1)
      expect(report.days[0]).to.include({ day: DAY, archived: true, before: ROWS, now: ROWS, changed: ROWS, added: 0, unbacked: 0 })
      expect((await inFile()).map(({ rows }) => rows)).to.deep.equal([ROWS, 1])
      expect(Number((await inFile())[0]?.sum).toFixed(1)).to.equal(sum(0.02))
    })

    it('is killed when the day is back and its rows are not replaced yet: no row is lost, none is half replaced', async () => {
      const LOCK = 4_711
      await rig.query(`CREATE FUNCTION wait_here() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock(${LOCK}); RETURN NEW; END'`)
      await rig.query(`CREATE TRIGGER wait_here BEFORE UPDATE ON recompute_day
        FOR EACH ROW WHEN (NEW.applied_at IS NOT NULL) EXECUTE FUNCTION wait_here()`)
      await rig.query(`SELECT pg_advisory_lock(${LOCK})`)
      const waiting =
        "FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
      const child = spawn(process.execPath, [`${projectRoot}dist/bin/millrace.js`, ...asked, '--apply', '--config', config], {
        env: env(),
        stdio: 'ignore',
      })
      const ended = once(child, 'exit')
      await until('it is about to commit', async () => (await rig.query(`SELECT pid ${waiting}`)).length === 1, 60_000)
      child.kill('SIGKILL')
      await ended
      // Otherwise the server would commit what it was told before it finds out that nobody is there.
      await rig.query(`SELECT pg_terminate_backend(pid) ${waiting}`)
      await until('its transaction is gone', async () => (await rig.query(`SELECT pid ${waiting}`)).length === 0)
      await rig.query(`SELECT pg_advisory_unlock(${LOCK})`)
      await rig.query('DROP TRIGGER wait_here ON recompute_day; DROP FUNCTION wait_here()')
      const [back] = await rig.query(
        `SELECT count(*)::integer AS rows, round(sum(temperature)::numeric, 1)::text AS sum FROM readings WHERE device_id = '${device}'`,
      )
      expect(back).to.deep.equal({ rows: ROWS, sum: sum(0.02) })
    })

    it('goes on after that, replaces the rows, and leaves the day to the store to archive it again', async () => {
      expect(recompute('--apply').replaced).to.deep.equal([
        { day: DAY, restored: true, applied: true, inserted: 0, updated: ROWS, deleted: 0 },
      ])
      expect(await hourly()).to.equal(sum(0.01))
      expect(await rig.query('SELECT count(*) AS days FROM archived_days')).to.deep.equal([{ days: 0n }])
      await rig.care.rollUp()
      expect(command('partitions', 'archive')).to.contain(`${DAY}: archived ${(ROWS + 1).toLocaleString('en-US')} rows`)
      expect(await hourly()).to.equal(sum(0.01))
      const [own, other] = await inFile()
      expect([own?.rows, Number(own?.sum).toFixed(1), other]).to.deep.equal([
        ROWS,
        sum(0.01),
        { device_id: `${run}-other`, rows: 1, sum: '12.0' },
      ])
      const { report, replaced } = recompute('--apply')
      expect(report.days[0]).to.include({ archived: true, before: ROWS, changed: 0, added: 0, unbacked: 0 })
      expect(replaced).to.deep.equal([])
    })
  })
}

for (const backend of ['postgres', 'timescaledb'] as const) recomputing(backend)
