import { execFile, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { systemClock } from '../../connectors/clock.ts'
import type { Log } from '../../connectors/contract.ts'
import type { BackendName } from '../../connectors/postgres/backend.ts'
import { findBackend } from '../../connectors/postgres/backend-choice.ts'
import { DAY_MS } from '../../processors/store/time-ranges.ts'
import { projectRoot } from '../../schemas/files.ts'
import { type ArchiveFigures, keepArchive } from '../../services/store/archive.ts'
import { isArchiveDue } from '../../services/store/archive-due.ts'
import { ArchiveRig } from './archive-rig.ts'
import { localBucket } from './local-bucket.ts'
import type { TestRow } from './readings-batch.ts'
import { until } from './service.ts'

const MILLRACE = join(projectRoot, 'dist/bin/millrace.js')
/** The command and the job have the machine's clock. */
const THIS_DAY = Math.floor(Date.now() / DAY_MS)
const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }

function runningArchive(backend: BackendName): void {
  describe(`the archive as people and the store run it, on ${backend}`, () => {
    let rig: ArchiveRig
    let config: string

    beforeEach(async () => {
      rig = await ArchiveRig.open(backend)
      config = join(rig.directory, 'millrace.yaml')
      writeFileSync(config, 'storage: { archive: archive, archive_after_days: 2 }\n')
    })
    afterEach(() => rig[Symbol.asyncDispose]())

    const dayOf = (ago: number): string => new Date((THIS_DAY - ago) * DAY_MS).toISOString().slice(0, 10)
    const rows = (ago: number, count: number, device = 'hive'): TestRow[] =>
      Array.from({ length: count }, (_, index) => ({
        device,
        tsMs: (THIS_DAY - ago) * DAY_MS + index * 60_000,
        account: 7,
        site: 1,
        temperature: index / 10,
      }))
    /** The command with the test's database, and without a broker that may not run. */
    const command = (...args: readonly string[]): [string, ...string[]] => {
      const settings = ['-u', 'MQTT_PASSWORD_FILE', `TELEMETRY_DATABASE_URL=${rig.url}`, `TELEMETRY_OWNER_URL=${rig.url}`]
      return ['/usr/bin/env', ...settings, process.execPath, MILLRACE, ...args, '--config', config]
    }
    const millrace = (...given: readonly string[]) => {
      const [program, ...args] = command(...given)
      const { stdout, stderr, status } = spawnSync(program, args, { encoding: 'utf8' })
      return { said: `${stdout}${stderr}`, status }
    }

    it('says what it would do, does it, and lists what is archived', async () => {
      await rig.query('TRUNCATE readings')
      for (const ago of [0, 1, 4]) await rig.write(rows(ago, 20))
      await rig.care.rollUp()
      expect(millrace('partitions', 'archive', '--dry-run').said).to.contain(`${dayOf(4)}: would be archived (`)
      expect(millrace('partitions', 'archive').said).to.match(
        new RegExp(`${dayOf(4)}: archived 20 rows \\([\\d,]+ bytes, [\\d.]+ a row\\)`),
      )
      const day = millrace('partitions', 'archive', '--day', dayOf(1), '--json')
      expect(JSON.parse(day.said.trim())).to.include({ event: 'archived', day: dayOf(1), rows: 20, generation: 1 })
      const listed = millrace('partitions').said
      expect(listed).to.contain(`The archive has 2 days, ${dayOf(4)} to ${dayOf(1)}: 40 rows`)
      expect(listed).to.contain(`archived on ${new Date((THIS_DAY + 3) * DAY_MS).toISOString().slice(0, 10)}`)
      expect(listed).to.match(new RegExp(`${dayOf(4)} +20 .* archived +${rig.directory}/archive/date=${dayOf(4)}`))
      const restored = millrace('partitions', 'restore', dayOf(4))
      expect([restored.said.trim(), restored.status]).to.deep.equal([
        `${dayOf(4)}: 20 rows are in the table again, and stay there until \`millrace partitions archive --day ${dayOf(4)}\``,
        0,
      ])
      expect(millrace('partitions').said).to.contain('brought back from the archive')
      expect(millrace('partitions', 'archive').said.trim()).to.equal('')
      const again = millrace('partitions', 'restore', dayOf(4))
      expect(again.said).to.contain(`${dayOf(4)}: its rows are in the table already`)
      expect(again.status).to.equal(1)
      const none = millrace('partitions', 'archive', '--day', dayOf(3))
      expect([none.said.trim(), none.status]).to.deep.equal([`${dayOf(3)} is not a day that is over and has rows in table readings`, 1])
      expect(millrace('partitions', 'archive', '--day', '2026-02-30').said).to.contain('expected a day as in 2026-11-23, got "2026-02-30"')
    })

    it('is done by the store’s job in a process of its own, which says what fails', async () => {
      await rig.query('TRUNCATE readings')
      for (const ago of [0, 4, 5]) await rig.write(rows(ago, 20))
      await rig.care.rollUp()
      const run = async (program: string, ...args: string[]): Promise<{ figures: ArchiveFigures; problem: string | null }> => {
        let problem: string | null | undefined
        await using job = keepArchive({
          due: () =>
            rig.care.database.use(async (session) =>
              isArchiveDue({
                session,
                backend: await findBackend(session, backend),
                settings: { afterDays: 2, retentionDays: undefined },
                nowMs: () => Date.now(),
              }),
            ),
          command: [program, ...args],
          clock: systemClock,
          log: silent,
          problem: (what) => {
            problem = what
          },
        })
        await until('a run is over', async () => problem !== undefined)
        return { figures: { ...job.figures() }, problem: problem ?? null }
      }
      const broken = await run(process.execPath, '-e', 'console.error("no memory"); process.exit(9)')
      expect([broken.figures.failures, broken.problem]).to.deep.equal([1, 'archiving readings: the run ended with 9: no memory'])
      expect(await run(...command('partitions', 'archive', '--json'))).to.deep.equal({
        figures: { days: 2, rows: 40, conflicts: 0, removed: 0, failures: 0 },
        problem: null,
      })
      // Nothing is due: nothing is started.
      expect((await run('/missing/program')).problem).to.equal(null)
      await rig.query('DELETE FROM archived_days')
      await rig.write(rows(4, 1, 'late'))
      await rig.care.rollUp()
      const unknown = await run(...command('partitions', 'archive', '--json'))
      expect([unknown.figures.failures, unknown.problem]).to.deep.equal([
        1,
        `${dayOf(4)}: ${rig.directory}/archive has a file of ${dayOf(4)} that this database does not know of: if its rows belong here, \`millrace partitions archive --adopt\` merges them; else move it away`,
      ])
    })

    it('may be a bucket of a server that speaks S3, where late rows are merged too', async () => {
      await using bucket = await localBucket()
      writeFileSync(config, `storage: { archive: '${bucket.location}', archive_after_days: 2 }\n`)
      await rig.query('TRUNCATE readings')
      for (const ago of [0, 4]) await rig.write(rows(ago, 20))
      await rig.care.rollUp()
      const run = async (): Promise<unknown> => {
        const [program, ...args] = command('partitions', 'archive', '--json')
        // Not spawnSync: the server is in this process.
        const { stdout } = await promisify(execFile)(program, args, { env: { ...process.env, ...bucket.env } })
        return stdout
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as unknown)
          .at(-1)
      }
      expect(await run()).to.include({ event: 'archived', day: dayOf(4), rows: 20, generation: 1 })
      await rig.write([...rows(4, 2), ...rows(4, 1, 'late')])
      await rig.care.rollUp()
      expect(await run()).to.include({ event: 'archived', day: dayOf(4), rows: 21, taken: 3, generation: 2 })
      expect(await rig.query('SELECT location, repeated FROM archived_days')).to.deep.equal([{ location: bucket.location, repeated: 2n }])
    })

    it('answers the queries of docs/archive.md', async () => {
      const page = readFileSync(join(projectRoot, 'docs/archive.md'), 'utf8')
      const queries = [...page.matchAll(/```sql\n([\s\S]*?)```/g)].map(([, query]) =>
        (query ?? '').replaceAll('/var/lib/millrace/archive', rig.directory),
      )
      const [hours, days, manifests, csv] = queries as [string, string, string, string]
      const first = Date.UTC(2026, 10, 20)
      const hive = (device: string, account: number): TestRow[] =>
        Array.from({ length: 90 }, (_, minute) => ({ device, tsMs: first + minute * 60_000, account, site: 1, temperature: minute }))
      await rig.write([...hive('hive', 7), ...hive('other', 8)])
      await rig.run()
      expect(await rig.read(hours)).to.deep.equal([
        { hour: '2026-11-20 00:00:00+00', rows: '60', temperature: 29.5 },
        { hour: '2026-11-20 01:00:00+00', rows: '30', temperature: 74.5 },
      ])
      expect(await rig.read(days)).to.deep.equal([{ date: '2026-11-20', rows: '90', devices: '1' }])
      expect((await rig.read(manifests))[0]).to.include({ day: '2026-11-20', rows: '180', conflicts: '0' })
      const file = join(rig.directory, 'day.csv')
      await rig.read(csv.replace('/tmp/readings-2026-11-20.csv', file))
      expect(readFileSync(file, 'utf8').split('\n')[0]).to.match(/^device_id,ts,time_estimated,account_id,site_id,temperature,/)
      const restored = await rig.care.store.database.query('CREATE TABLE readings_of_20 (LIKE readings)')
      expect(restored).to.deep.equal([])
      const loaded = await rig.copyIn('readings_of_20', readFileSync(file))
      expect(loaded).to.equal(180)
    })
  })
}

for (const backend of ['postgres', 'timescaledb'] as const) runningArchive(backend)
