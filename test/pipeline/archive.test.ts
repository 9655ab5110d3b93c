import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import type { BackendName } from '../../connectors/postgres/backend.ts'
import { openSession } from '../../connectors/postgres/session.ts'
import type { ArchiveEvent } from '../../processors/store/archive-event.ts'
import { DAY_MS } from '../../processors/store/time-ranges.ts'
import { ArchiveRig } from './archive-rig.ts'
import { NOON_MS, TODAY } from './care-rig.ts'
import type { TestRow } from './readings-batch.ts'

function archiving(backend: BackendName): void {
  describe(`the archive on ${backend}`, () => {
    let rig: ArchiveRig

    beforeEach(async () => {
      rig = await ArchiveRig.open(backend)
    })
    afterEach(() => rig[Symbol.asyncDispose]())

    /** Rows of a day, relative to today. */
    const rows = (day: number, count: number, device = 'hive', more: Partial<TestRow> = {}): TestRow[] =>
      Array.from({ length: count }, (_, index) => ({
        device,
        tsMs: (TODAY + day) * DAY_MS + index * 60_000,
        temperature: index / 10,
        ...more,
      }))

    /** A run, without what had to be done first: rows of the default partition get their own. */
    const ran = async (options?: Parameters<ArchiveRig['run']>[0]): Promise<readonly ArchiveEvent[]> =>
      (await rig.run(options)).filter(({ event }) => event !== 'finished')

    it('takes days that are over for as long as was asked, and their roll-ups stay', async () => {
      for (const day of [-3, -2, -1])
        await rig.write([
          ...rows(day, 50),
          ...rows(day, 50, 'apiary'),
          { device: 'a"b', tsMs: (TODAY + day) * DAY_MS, account: 7, site: 3 },
        ])
      await rig.care.rollUp()
      const daily = await rig.query('SELECT * FROM readings_daily ORDER BY device_id, day')
      const events = await ran()
      expect(events.map((event) => (event.event === 'archived' ? [event.day, event.rows, event.generation] : event))).to.deep.equal([
        ['2026-11-20', 101, 1],
        ['2026-11-21', 101, 1],
      ])
      expect([await rig.tableRows(), await rig.care.days()]).to.deep.equal([101, [-1, 0]])
      expect(await rig.archived()).to.deep.equal(['-3: 101 rows, generation 1, archived', '-2: 101 rows, generation 1, archived'])
      expect(await rig.files(-3)).to.deep.equal(['manifest.json', 'readings.parquet'])
      const found = await rig.read(
        `SELECT date::text AS date, count(*)::integer AS n, min(device_id) AS first, sum(temperature) AS sum, max(site_id)::integer AS site FROM '${rig.glob}' GROUP BY date ORDER BY date`,
      )
      expect(found).to.deep.equal(['2026-11-20', '2026-11-21'].map((date) => ({ date, n: 101, first: 'a"b', sum: found[0]?.sum, site: 3 })))
      expect(Number(found[0]?.sum)).to.be.closeTo(245, 1e-9)
      expect(await rig.query('SELECT * FROM readings_daily ORDER BY device_id, day')).to.deep.equal(daily)
      const manifest = JSON.parse(await readFile(join(rig.folder(-3), 'manifest.json'), 'utf8')) as Record<string, unknown>
      expect(manifest).to.include({ day: '2026-11-20', generation: 1, rows: 101 })
      expect((manifest.columns as { name: string }[]).find(({ name }) => name === 'temperature')).to.include({ unit: 'Cel', values: 100 })
      expect(await ran()).to.deep.equal([])
    })

    it('merges late rows by column: a repeat is one, and what differs is counted and decided by the policy', async () => {
      for (const policy of ['keep-first', 'keep-last'] as const) {
        const device = `of-${policy}`
        await rig.write(rows(-3, 10, device))
        await ran({ conflicts: policy })
        const repeat = rows(-3, 2, device)
        const added = rows(-3, 4, device, { humidity: 50 }).slice(2)
        const other = rows(-3, 6, device, { temperature: 99 }).slice(4)
        const fresh = rows(-3, 12, device).slice(10)
        await rig.write([...repeat, ...added, ...other, ...fresh])
        const [event] = await ran({ conflicts: policy })
        expect(event).to.include({ event: 'archived', taken: 8 })
        expect(await rig.tableRows()).to.equal(0)
        const found = await rig.read(`SELECT temperature, humidity FROM '${rig.glob}' WHERE device_id = '${device}' ORDER BY ts`)
        expect(found.map(({ temperature }) => temperature)).to.deep.equal(
          rows(-3, 12).map(({ temperature }, index) => (policy === 'keep-last' && (index === 4 || index === 5) ? 99 : temperature)),
        )
        expect(found.map(({ humidity }) => humidity).filter((each) => each !== null)).to.deep.equal([50, 50])
      }
      expect(await rig.query('SELECT generation, merged, repeated, conflicts, state FROM archived_days')).to.deep.equal([
        { generation: 4, merged: 4n, repeated: 4n, conflicts: 4n, state: 'archived' },
      ])
      expect(await rig.files(-3)).to.deep.equal(['manifest.json', 'readings.parquet'])
    })

    it('exports a day again if a row of it changed meanwhile, so that the row is not lost', async () => {
      await rig.write(rows(-3, 10))
      let exports = 0
      const [event] = await ran({
        change: (run) => ({
          ...run,
          openExport: async () => {
            const session = await openSession({ url: rig.url, applicationName: 'test export' })
            if (++exports > 1) return session
            return {
              ...bound(session),
              copyOut: async (doing, text, take) => {
                await session.copyOut(doing, text, take)
                await rig.write([{ device: 'hive', tsMs: (TODAY - 3) * DAY_MS, humidity: 5 }, ...rows(-3, 1, 'late')])
                await rig.care.rollUp()
              },
            }
          },
        }),
      })
      expect(event).to.include({ event: 'archived', rows: 11, generation: 1 })
      expect([exports, await rig.tableRows(), await rig.archivedRows()]).to.deep.equal([2, 0, 11])
      expect(await rig.read(`SELECT count(humidity)::integer AS n FROM '${rig.glob}'`)).to.deep.equal([{ n: 1 }])
    })

    it('leaves rows in the table, and no file, while roll-ups are behind', async () => {
      await rig.write(rows(-3, 10))
      await ran({ afterDays: 100 })
      await rig.write(rows(-3, 10, 'behind'))
      const [event] = await ran({
        change: (run) => ({
          ...run,
          backend: {
            ...run.backend,
            finish: async () => {
              await rig.write(rows(-3, 1, 'more'))
              return []
            },
          },
        }),
      })
      expect(event).to.include({ event: 'failed', day: '2026-11-20' })
      expect(event).to.have.property('why').that.contains('not up to date yet')
      expect([await rig.tableRows(), await rig.archived(), await rig.files(-3)]).to.deep.equal([21, [], []])
      await ran()
      expect([await rig.tableRows(), await rig.archivedRows()]).to.deep.equal([0, 21])
    })

    it('touches nothing that is damaged, or that it does not know of, and says so', async () => {
      await rig.write(rows(-3, 10))
      await ran()
      await rig.write(rows(-3, 1, 'late'))
      const path = join(rig.folder(-3), 'readings.parquet')
      const good = await readFile(path)
      await writeFile(path, Buffer.concat([good, Buffer.from('x')]))
      expect((await ran())[0])
        .to.have.property('why')
        .that.contains('expected the file with SHA-256')
      await writeFile(path, good)
      await rig.query('DELETE FROM archived_days')
      expect((await ran())[0])
        .to.have.property('why')
        .that.contains('a file of 2026-11-20 that this database does not know of')
      expect(await rig.tableRows()).to.equal(1)
      expect((await ran({ adopt: true }))[0]).to.include({ event: 'archived', rows: 11, taken: 1, generation: 2 })
    })

    it('removes days by its own retention, and nothing while the clocks differ', async () => {
      for (const day of [-5, -4]) await rig.write(rows(day, 10))
      await ran()
      const wrong = await ran({ retentionDays: 5, nowMs: NOON_MS + 365 * DAY_MS, databaseMs: NOON_MS })
      expect(wrong).to.have.length(1)
      expect(wrong[0]).to.have.property('why').that.contains("this machine's clock says 2027")
      expect(await ran({ retentionDays: 5, nowMs: NOON_MS + 365 * DAY_MS })).to.deep.equal([{ event: 'removed', day: '2026-11-18' }])
      expect([await rig.files(-5), await rig.files(-4)]).to.deep.equal([[], ['manifest.json', 'readings.parquet']])
      expect(await rig.archived()).to.deep.equal(['-4: 10 rows, generation 1, archived'])
    })
  })
}

/** Methods of a class are not its own properties. */
function bound<Methods extends object>(of: Methods): Methods {
  return new Proxy(of, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
    ownKeys: () => Object.getOwnPropertyNames(Object.getPrototypeOf(of)),
    getOwnPropertyDescriptor: () => ({ configurable: true, enumerable: true }),
  })
}

archiving('postgres')
archiving('timescaledb')
