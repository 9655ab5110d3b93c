import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import type { Log } from '../../connectors/contract.ts'
import { type KeptTables, type LookupTablesOptions, openLookupTables } from '../../connectors/postgres/lookup-tables.ts'
import { migrateApp, migrateLookupTables } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import { type LookupTables, table } from '../../processors/lookup-table.ts'
import { openProxy } from '../chaos/proxy.ts'
import { type ScratchDatabase, scratchDatabase } from './scratch-database.ts'
import { until } from './service.ts'

const thresholds = table({ name: 'thresholds', key: 'device', columns: { limit: 'number', unit: 'text?' }, mostRows: 1_000 })

describe('tables that are looked up', function () {
  this.timeout(30_000)
  let scratch: ScratchDatabase
  let opened: KeptTables[]
  let warnings: string[]
  let problem: string | null
  const log: Log = { info: () => undefined, warn: (message) => void warnings.push(message), error: () => undefined }

  const open = async (tables: LookupTables = { thresholds }, own: Partial<LookupTablesOptions> = {}): Promise<KeptTables> => {
    const options = { url: scratch.url, tables, log, signal: new AbortController().signal }
    const kept = await openLookupTables({
      ...options,
      problem: (what) => {
        problem = what
      },
      ...own,
    })
    opened.push(kept)
    return kept
  }
  const refusal = async (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'nothing was refused',
      (cause: unknown) => (cause instanceof Error ? cause.message : String(cause)),
    )
  const limit = (kept: KeptTables, key: string): unknown => kept.rows.thresholds?.get(key)?.limit
  const set = (device: string, value: number): Promise<unknown> =>
    scratch.query('INSERT INTO thresholds VALUES ($1, $2, NULL) ON CONFLICT (device) DO UPDATE SET "limit" = excluded."limit"', [
      device,
      value,
    ])
  const create = (name = 'thresholds'): Promise<unknown> =>
    scratch.query(`CREATE TABLE ${name} (device text PRIMARY KEY, "limit" double precision NOT NULL, unit text)`)
  const migrate = (tables: LookupTables = { thresholds }, url = scratch.url) => migrateLookupTables(url, Object.values(tables))

  beforeEach(async () => {
    opened = []
    warnings = []
    problem = null
    scratch = await scratchDatabase('APP_DATABASE_URL')
    await migrateApp({ url: scratch.url, migrations: await readMigrations(join(import.meta.dirname, '../../../db/app')) })
  })

  afterEach(async () => {
    for (const kept of opened) await kept[Symbol.asyncDispose]()
    await scratch[Symbol.asyncDispose]()
  })

  it('are kept fresh by notification: rows come, change and go; who keeps the rows keeps them as they were', async () => {
    await create()
    await set('a', 1.5)
    expect(await migrate()).to.deep.equal(['table thresholds tells its changes'])
    expect(await migrate()).to.deep.equal([])
    const kept = await open()
    const first = kept.rows
    expect(first.thresholds?.get('a')).to.deep.equal({ limit: 1.5, unit: null })
    expect(first.thresholds?.get('b')).to.equal(undefined)
    const began = performance.now()
    await set('b', 2)
    await until('a row is there', async () => limit(kept, 'b') === 2, 2_000)
    expect(performance.now() - began).to.be.below(1_500)
    await set('a', 3)
    await until('a row has changed', async () => limit(kept, 'a') === 3, 2_000)
    await scratch.query("DELETE FROM thresholds WHERE device = 'a'")
    await until('a row is gone', async () => limit(kept, 'a') === undefined, 2_000)
    await scratch.query('TRUNCATE thresholds')
    await until('all are gone', async () => kept.rows.thresholds?.size === 0, 2_000)
    expect([first.thresholds?.get('a'), first.thresholds?.size]).to.deep.equal([{ limit: 1.5, unit: null }, 1])
    expect(warnings).to.deep.equal([])
  })

  it('have any name, and exact values of every type', async () => {
    await scratch.query('CREATE SCHEMA "My ""Bees"""')
    await scratch.query(`CREATE DOMAIN percent AS numeric NOT NULL CHECK (value BETWEEN 0 AND 100)`)
    await scratch.query(
      `CREATE TABLE "My ""Bees"""."T'; DROP" ("k""ey" bigint PRIMARY KEY, "__proto__" int8 NOT NULL, u uuid, share percent, f float8 NOT NULL,
         small int2 NOT NULL, since timestamptz NOT NULL, yes boolean NOT NULL, gone text)`,
    )
    await scratch.query(
      `INSERT INTO "My ""Bees"""."T'; DROP" VALUES (7, 9007199254740993, '6F9619FF-8B86-D011-B42D-00CF4FC964FF', 12.5, 0.1, -1, '2026-05-01T00:00:00.123456Z', true),
       (8, -1, NULL, 0, 'NaN', 1, 'infinity', false)`,
    )
    const strange = table({
      name: `My "Bees".T'; DROP`,
      key: 'k"ey',
      columns: { ['__proto__']: 'bigint', u: 'text?', share: 'number', f: 'number', small: 'bigint', since: 'micros', yes: 'boolean' },
    })
    expect(await migrate({ strange })).to.deep.equal([`table My "Bees".T'; DROP tells its changes`])
    const kept = await open({ strange })
    const [seven, eight] = [7n, 8n].map((key) => kept.rows.strange?.get(key))
    expect(Object.entries(seven ?? {})).to.deep.equal([
      ['__proto__', 9007199254740993n],
      ['u', '6f9619ff-8b86-d011-b42d-00cf4fc964ff'],
      ['share', 12.5],
      ['f', 0.1],
      ['small', -1n],
      ['since', Date.parse('2026-05-01T00:00:00Z') * 1000 + 123_456],
      ['yes', true],
    ])
    expect([eight?.u, eight?.f, eight?.since, eight?.yes]).to.deep.equal([null, Number.NaN, Number.POSITIVE_INFINITY, false])
    await scratch.query(`UPDATE "My ""Bees"""."T'; DROP" SET f = 2 WHERE "k""ey" = 7`)
    await until('the change is known', async () => kept.rows.strange?.get('7')?.f === 2, 2_000)
  })

  it('are refused by migrate and at the start if they are not as declared: the error says what was found and what is expected', async () => {
    await scratch.query(
      `CREATE TABLE found (id text PRIMARY KEY, twice text NOT NULL, at date NOT NULL, big bigint NOT NULL, may_be double precision)`,
    )
    await scratch.query('CREATE VIEW seen AS SELECT id, big FROM found')
    const cases = [
      [
        { name: 'missing', key: 'id', columns: { limit: 'number' } },
        /^lookup table "missing": the app database has no such table: create it, with columns id, limit, and run millrace migrate$/,
      ],
      [{ name: 'nowhere.missing', key: 'id', columns: {} }, /"nowhere.missing": the app database has no such table/],
      [{ name: 'found', key: 'nope', columns: {} }, /^lookup table "found": it has no column "nope"$/],
      [{ name: 'found', key: 'id', columns: { limit: 'number' } }, /"found": it has no column "limit"/],
      [{ name: 'found', key: 'at', columns: {} }, /key "at": expected text, uuid or an integer, found date/],
      [
        { name: 'found', key: 'twice', columns: {} },
        /key "twice": expected a primary key, or NOT NULL with a unique index, on this column alone/,
      ],
      [
        { name: 'found', key: 'id', columns: { at: 'micros' } },
        /column "at": expected micros \(one of timestamptz in the database\), found date/,
      ],
      [{ name: 'found', key: 'id', columns: { big: 'number' } }, /column "big": expected number \(one of int2, .*\), found bigint/],
      [
        { name: 'found', key: 'id', columns: { may_be: 'number' } },
        /column "may_be": expected NOT NULL, found that it may be null: declare it as 'number\?', or alter it/,
      ],
      [{ name: 'seen', key: 'id', columns: {} }, /"seen": expected a table, found a view/],
    ] as const
    for (const [declaration, message] of cases) {
      const tables = { own: table(declaration) }
      expect(await refusal(migrate(tables))).to.match(message)
      expect(await refusal(open(tables))).to.match(message)
    }
  })

  it('without a trigger are read every two seconds, and the log says so; a trigger that comes is used at once', async () => {
    await create()
    await scratch.query('REVOKE TRIGGER ON thresholds FROM CURRENT_USER')
    expect(await migrate()).to.deep.equal(['table thresholds: this role may not add a trigger, so services read it every two seconds'])
    const kept = await open()
    expect(warnings).to.deep.equal(['table thresholds has no trigger that tells its changes: it is read every 2 s. Run millrace migrate'])
    await set('a', 1)
    await until('the change is known', async () => limit(kept, 'a') === 1, 4_000)
    await scratch.query('GRANT TRIGGER ON thresholds TO CURRENT_USER')
    expect(await migrate()).to.deep.equal(['table thresholds tells its changes'])
    await delay(700)
    await set('a', 2)
    await until('the change is known at once', async () => limit(kept, 'a') === 2, 1_000)
  })

  it('that have too many rows are not looked up in part: the batch fails, health says it, until there are fewer', async () => {
    await create()
    await scratch.query("INSERT INTO thresholds SELECT 'd' || n, n FROM generate_series(1, 1000) n")
    await migrate()
    const kept = await open()
    await kept.prepare()
    expect(kept.rows.thresholds?.size).to.equal(1_000)
    await set('one more', 1)
    await until('health says it', async () => /"thresholds": it has more than 1000 rows/.test(problem ?? ''), 3_000)
    expect(await refusal(kept.prepare())).to.equal(
      'lookup table "thresholds": it has more than 1000 rows: delete some, or declare more as mostRows',
    )
    expect(await refusal(open())).to.include('more than 1000 rows')
    await scratch.query("DELETE FROM thresholds WHERE device = 'd1'")
    await until('it is looked up again', async () => (await refusal(kept.prepare())) === 'nothing was refused', 3_000)
    expect([limit(kept, 'one more'), limit(kept, 'd1')]).to.deep.equal([1, undefined])
    await until('health is good', async () => problem === null, 3_000)
  })

  it('are followed when another table takes the name, and refused when it loses a column', async () => {
    await create()
    await migrate()
    const kept = await open()
    await create('next')
    await scratch.query("INSERT INTO next VALUES ('a', 4)")
    await scratch.query('BEGIN; ALTER TABLE thresholds RENAME TO last; ALTER TABLE next RENAME TO thresholds; COMMIT')
    await until('the other table is known', async () => limit(kept, 'a') === 4, 2_000)
    await scratch.query('DROP TABLE thresholds')
    await until('it is missed', async () => (await refusal(kept.prepare())).includes('no such table'), 3_000)
    await scratch.query('CREATE TABLE thresholds (device text PRIMARY KEY)')
    await until('its column is missed', async () => (await refusal(kept.prepare())).includes('no column "limit"'), 3_000)
  })

  it('hidden in part by row-level security are refused', async () => {
    await create()
    await set('a', 1)
    await scratch.query('ALTER TABLE thresholds ENABLE ROW LEVEL SECURITY; ALTER TABLE thresholds FORCE ROW LEVEL SECURITY')
    expect(await refusal(open())).to.match(/reading table thresholds: .*row-level security/)
  })

  it('are read again after their connection was lost, before they are trusted', async () => {
    await create()
    await set('a', 1)
    await migrate()
    await using proxy = await openProxy(Number(new URL(scratch.url).port))
    const url = new URL(scratch.url)
    url.host = `127.0.0.1:${proxy.port}`
    const kept = await open({ thresholds }, { url: url.href })
    proxy.reset()
    await set('a', 3)
    await kept.prepare()
    expect(limit(kept, 'a')).to.equal(3)
    await kept[Symbol.asyncDispose]()
  })
})
