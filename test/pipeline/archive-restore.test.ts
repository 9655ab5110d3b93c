import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import type { BackendName } from '../../connectors/postgres/backend.ts'
import { openSession } from '../../connectors/postgres/session.ts'
import type { ArchiveRun } from '../../ops/archive/run-archive.ts'
import { DAY_MS } from '../../processors/store/time-ranges.ts'
import { ArchiveRig } from './archive-rig.ts'
import { TODAY } from './care-rig.ts'
import type { TestRow } from './readings-batch.ts'
import { differences } from './rollup-oracle.ts'

const DAY = '2026-11-20'

function restoring(backend: BackendName): void {
  describe(`an archived day that is brought back, on ${backend}`, () => {
    let rig: ArchiveRig

    beforeEach(async () => {
      rig = await ArchiveRig.open(backend)
    })
    afterEach(() => rig[Symbol.asyncDispose]())

    const rows = (count: number, device = 'hive', more: Partial<TestRow> = {}): TestRow[] =>
      Array.from({ length: count }, (_, index) => ({
        device,
        tsMs: (TODAY - 3) * DAY_MS + index * 60_000,
        temperature: index / 7,
        ...more,
      }))
    const all = (): Promise<readonly Record<string, unknown>[]> =>
      rig.query(`SELECT to_jsonb(r)::text AS row FROM readings AS r WHERE ts < timestamptz '2026-11-21Z' ORDER BY device_id, ts`)
    const different = async (): Promise<readonly string[]> => differences(await rig.care.store.database.connect())

    it('has the same rows and roll-ups again, and stays until it is archived by name', async () => {
      await rig.write([...rows(100), ...rows(50, 'a"b,\\N', { account: 7, site: 3 })])
      await rig.care.insert('2026-11-20 23:59:59.999999Z')
      const before = await all()
      await rig.run()
      expect([await rig.tableRows(), await rig.archivedRows()]).to.deep.equal([0, 151])
      expect(await rig.run({ restore: DAY })).to.deep.equal([{ event: 'restored', day: DAY, rows: 151 }])
      expect(await all()).to.deep.equal(before)
      expect([await rig.files(-3), await rig.archived()]).to.deep.equal([[], ['-3: 151 rows, generation 1, kept']])
      expect(await different()).to.deep.equal([])
      // Late rows, corrections and repeats are those of any other day.
      await rig.write([...rows(3, 'late'), ...rows(5), ...rows(2, 'hive', { humidity: 40 })])
      await rig.query(`UPDATE readings SET temperature = -1 WHERE device_id = 'hive' AND ts < '2026-11-20 00:10Z'`)
      expect(await different()).to.deep.equal([])
      await rig.care.rollUp()
      expect(await different()).to.deep.equal([])
      expect([await rig.run(), await rig.tableRows()]).to.deep.equal([[], 154])
      const [again] = await rig.run({ day: DAY })
      expect(again).to.include({ event: 'archived', rows: 154, generation: 1 })
      expect([await rig.tableRows(), await rig.archivedRows()]).to.deep.equal([0, 154])
      expect(await rig.read(`SELECT count(*)::integer AS n FROM '${rig.glob}' WHERE temperature = -1`)).to.deep.equal([{ n: 10 }])
    })

    it('has its late rows, those too that came meanwhile', async () => {
      await rig.write(rows(20))
      await rig.run()
      await rig.write([...rows(2), ...rows(1, 'late')])
      await rig.care.rollUp()
      let opened = 0
      const events = await rig.run({
        restore: DAY,
        change: (run: ArchiveRun) => ({
          ...run,
          openExport: () => {
            opened++
            return openSession({ url: rig.url, applicationName: 'test export' })
          },
          backend: {
            ...run.backend,
            // After late rows were taken, and before the day is written.
            make: async (session, range) => {
              const made = await run.backend.make(session, range)
              if (opened === 1) {
                await rig.write([...rows(1), ...rows(1, 'later')])
                await rig.care.rollUp()
              }
              return made
            },
          },
        }),
      })
      expect(events.map(({ event }) => event).filter((event) => event !== 'finished')).to.deep.equal(['archived', 'archived', 'restored'])
      expect([await rig.tableRows(), opened]).to.deep.equal([22, 2])
      expect(await different()).to.deep.equal([])
    })

    it('stays where it is if its file is not the one, or the table has no place for a value', async () => {
      await rig.write(rows(20))
      await rig.run()
      const failed = async (): Promise<string> =>
        await rig.run({ restore: DAY }).then(
          () => 'nothing failed',
          (error: Error) => error.message,
        )
      const path = join(rig.folder(-3), 'readings.parquet')
      const good = await readFile(path)
      await appendFile(path, 'x')
      expect(await failed()).to.contain('expected the file with SHA-256')
      await writeFile(path, good)
      await rig.query('ALTER TABLE readings RENAME COLUMN temperature TO heat')
      expect(await failed()).to.contain('table readings has no column temperature, and the archive has values of it')
      await rig.query('ALTER TABLE readings RENAME COLUMN heat TO temperature')
      await rig.query(`UPDATE readings_hourly_kept SET rows = rows + 1 WHERE hour = '2026-11-20Z'`)
      expect(await failed()).to.contain('they count 1 rows that are not in the archive')
      expect([await rig.tableRows(), await rig.archivedRows(), await rig.archived()]).to.deep.equal([
        0,
        20,
        ['-3: 20 rows, generation 1, archived'],
      ])
      await rig.query(`UPDATE readings_hourly_kept SET rows = rows - 1 WHERE hour = '2026-11-20Z'`)
      expect((await rig.run({ restore: DAY })).at(-1)).to.deep.equal({ event: 'restored', day: DAY, rows: 20 })
      expect(await failed()).to.contain('its rows are in the table already')
      expect(await rig.tableRows()).to.equal(20)
    })
  })
}

restoring('postgres')
restoring('timescaledb')
