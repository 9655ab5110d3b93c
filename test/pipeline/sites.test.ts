import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import { UsageError } from '../../bin/command-line.ts'
import { sites as command } from '../../bin/sites.command.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { moveDevices, provisionDevices } from '../../connectors/postgres/devices.ts'
import { migrateApp } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import type { DeviceId } from '../../processors/contract.ts'
import { ConfigError } from '../../services/config.ts'
import { type ScratchDatabase, scratchDatabase } from './scratch-database.ts'

interface Result {
  readonly code: number
  readonly out: string
  readonly error: string
}

describe('millrace sites', () => {
  let scratch: ScratchDatabase
  const url = process.env.APP_DATABASE_URL
  const hives = ['hive-1', 'hive-2', 'hive-3'] as DeviceId[]

  before(async () => {
    scratch = await scratchDatabase('APP_DATABASE_URL')
    await migrateApp({ url: scratch.url, migrations: await readMigrations(join(import.meta.dirname, '../../../db/app')) })
    process.env.APP_DATABASE_URL = scratch.url
    await using database = createDatabase({ url: scratch.url, applicationName: 'test' })
    const may = new Date('2026-05-01T00:00:00Z')
    await provisionDevices(database, { account: 'demo', site: 'barn', devices: hives, from: may })
    await moveDevices(database, hives.slice(0, 2), { account: 'demo', site: 'orchard' }, new Date('2026-05-03T06:00:00Z'))
    await moveDevices(database, hives.slice(0, 1), { account: 'demo', site: 'barn' }, new Date('2026-05-05T06:00:00Z'))
    await provisionDevices(database, { account: 'other', site: 'barn', devices: ['hive-9' as DeviceId], from: may })
  })

  after(async () => {
    if (url !== undefined) process.env.APP_DATABASE_URL = url
    await scratch[Symbol.asyncDispose]()
  })

  /** In this process: it takes a second to start another. */
  async function sites(...args: readonly string[]): Promise<Result> {
    let out = ''
    const write = process.stdout.write
    process.stdout.write = ((text: string) => {
      out += text
      return true
    }) as typeof write
    try {
      await command.parseAsync(args, { from: 'user' })
      return { code: Number(process.exitCode ?? 0), out, error: '' }
    } catch (cause) {
      if (!(cause instanceof UsageError || cause instanceof ConfigError)) throw cause
      return { code: 2, out, error: cause.message }
    } finally {
      process.stdout.write = write
      process.exitCode = undefined
    }
  }

  const json = async (...args: readonly string[]): Promise<unknown> => JSON.parse((await sites(...args, '--json')).out)

  it('lists them with the hives that are there now, and changes what it is told', async () => {
    expect((await sites('set', 'barn', '--account', 'demo', '--kind', 'storage', '--at', '51.4,-7.1', '--radius', '150')).code).to.equal(0)
    expect((await sites('set', 'orchard', '--name', 'North orchard', '--at', '-51.5,7.2')).code).to.equal(0)
    const shown = (await sites('list', '--account', 'demo')).out
    expect(shown).to.match(/ demo +barn +storage +51\.40000,-7\.10000 +150 +by hand +2\n/)
    expect(shown).to.match(/ demo +North orchard +orchard +-51\.50000,7\.20000 +500 +by hand +1\n/)
    expect(await json('list', '--account', 'other')).to.have.lengthOf(1)
    await sites('set', 'North orchard', '--name', 'orchard')
  })

  it('says how many were where on 3 May, and when that changed', async () => {
    expect((await sites('history', 'orchard', '--at', '2026-05-03T12:00:00Z')).out).to.match(
      /^2 at site \d+, orchard, at .*\nhive-1\nhive-2\n$/,
    )
    expect((await sites('history', 'orchard', '--at', '2026-05-02T12:00:00Z')).out).to.match(/^0 at site/)
    expect(await json('history', 'orchard')).to.deep.equal([
      { at: '2026-05-05T06:00:00.000Z', hives: 1 },
      { at: '2026-05-03T06:00:00.000Z', hives: 2 },
    ])
  })

  it('adds one, says which is near, and merges the two', async () => {
    expect((await sites('set', 'orchard', '--at', '51.5,7.2')).code).to.equal(0)
    const added = await sites('add', 'South orchard', '--account', 'demo', '--at', '51.503,7.2')
    expect(added.out).to.match(/^site \d+, South orchard, is an orchard of account demo\nsite \d+, orchard, is 334 m away/)
    const merged = await sites('merge', 'orchard', 'South orchard')
    expect(merged.out).to.match(/^site \d+, orchard, is gone; its 2 assignments, of all times, are those of site \d+, South orchard\n$/)
    expect((await sites('history', 'South orchard', '--at', '2026-05-03T12:00:00Z')).out).to.match(/^2 at site/)
    // Named orchard until now: its readings have another site.
    expect((await sites('recompute')).out).to.match(
      /hive-1 +2026-05-03T06:00:00\.000Z +2026-05-05T06:00:00\.000Z +demo +\d+, South orchard/,
    )
    expect((await json('list', '--account', 'demo')) as unknown[]).to.have.lengthOf(2)
  })

  it('names the value that it cannot use, and what was expected', async () => {
    for (const [args, message] of [
      [['set', 'barn', '--kind', 'storage'], '"barn" is more than one site: expected the number of one'],
      [['set', 'meadow', '--radius', '5'], 'there is no site with the name or number "meadow"'],
      [['set', 'barn', '--radius', '20001'], '--radius: expected at most 20000 metres, got 20001'],
      [['set', 'barn', '--at', '91,7'], '--at: expected latitude and longitude in degrees, as in 51.4,7.1, got "91,7"'],
      [['set', 'barn'], 'expected what is to be changed: --name, --kind, --radius or --at'],
      [['add', 'barn', '--account', 'demo'], 'account demo has a site "barn" already'],
      [['add', 'barn', '--account', 'nobody'], 'there is no account "nobody"'],
      [['merge', 'South orchard', 'South orchard'], 'expected two sites, got site'],
      [['moves', 'hive-7'], 'there is no device "hive-7"'],
      [['history', 'South orchard', '--at', 'May'], '--at: expected'],
    ] as const) {
      const { code, error } = await sites(...args)
      expect([code, error]).to.satisfy(() => code === 2 && error.includes(message), `${args.join(' ')}: ${code} ${error}`)
    }
  })

  it('shows where a device was at rest and in transit', async () => {
    const [{ id }] = (await scratch.query("SELECT id FROM sites WHERE name = 'barn' AND account_id = 1")) as [{ readonly id: bigint }]
    await scratch.query(
      `INSERT INTO movements (asset_id, since, state, latitude, longitude, confidence, fixes, site_id) VALUES
         ('hive-3', '2026-05-01', 'rest', 51.4, 7.1, 1, '[]', ${id}), ('hive-3', '2026-05-04', 'transit', 51.5, 7.1, 0.8, '[]', NULL)`,
    )
    const { out } = await sites('moves', 'hive-3')
    expect(out).to.match(/\n2026-05-04T00:00:00\.000Z +transit +51\.50000,7\.10000 +0\.80\n/)
    expect(out).to.match(/\n2026-05-01T00:00:00\.000Z +2026-05-04T00:00:00\.000Z +storage +\d+, barn +51\.40000,7\.10000 +1\.00\n/)
  })
})

describe('ranges that are to be recomputed', () => {
  let scratch: ScratchDatabase

  before(async () => {
    scratch = await scratchDatabase('APP_DATABASE_URL')
    await migrateApp({ url: scratch.url, migrations: await readMigrations(join(import.meta.dirname, '../../../db/app')) })
    await scratch.query(
      `INSERT INTO devices (id) VALUES ('hive'); INSERT INTO accounts (name) VALUES ('demo'); INSERT INTO sites (account_id, name) VALUES (1, 'a'), (1, 'b')`,
    )
  })

  after(async () => {
    await scratch[Symbol.asyncDispose]()
  })

  const note = (from: number, to: number, site: number | null) =>
    scratch.query(
      `INSERT INTO recompute_ranges (device_id, since, until, account_id, site_id) VALUES ('hive', to_timestamp($1), to_timestamp($2), 1, $3)`,
      [from, to, site],
    )
  const ranges = async () =>
    (
      await scratch.query(
        'SELECT extract(epoch FROM since)::int AS a, extract(epoch FROM until)::int AS b, site_id AS site FROM recompute_ranges ORDER BY since',
      )
    ).map(({ a, b, site }) => ({ from: Number(a), to: Number(b), site: site === null ? null : Number(site) }))

  it('do not grow if one is noted again and again', async () => {
    for (let time = 0; time < 100; time++) {
      await note(10, 20 + time, 1)
      await note(10, 20 + time, 2)
    }
    expect(await ranges()).to.deep.equal([{ from: 10, to: 119, site: 2 }])
  })

  it('say for each moment what the newest said, and never overlap', async () => {
    const range = fc.tuple(fc.integer({ min: 0, max: 18 }), fc.integer({ min: 1, max: 9 }), fc.constantFrom<number | null>(1, 2, null))
    await fc.assert(
      fc.asyncProperty(fc.array(range, { minLength: 1, maxLength: 8 }), async (noted) => {
        await scratch.query('DELETE FROM recompute_ranges')
        const said = new Map<number, number | null>()
        for (const [from, length, site] of noted) {
          await note(from, from + length, site)
          for (let moment = from; moment < from + length; moment++) said.set(moment, site)
        }
        const found = await ranges()
        const kept = found.flatMap(({ from, to, site }) => Array.from({ length: to - from }, (_, index) => [from + index, site] as const))
        expect(kept).to.deep.equal([...said].sort(([a], [b]) => a - b))
        // No two that touch say the same.
        for (const [index, { to, site }] of found.entries())
          expect([found[index + 1]?.from, found[index + 1]?.site]).to.not.deep.equal([to, site])
      }),
      { numRuns: 60 },
    )
  })
})
