import { expect } from 'chai'
import type pg from 'pg'
import type { BackendName } from '../../connectors/postgres/backend.ts'
import { createPostgresBackend } from '../../connectors/postgres/postgres-backend.ts'
import { openSession } from '../../connectors/postgres/session.ts'
import { createTimescaleBackend } from '../../connectors/postgres/timescale-backend.ts'
import { DAY_MS } from '../../processors/store/time-ranges.ts'
import { DEVICES_OF_SITE, fillHistory, type HistoryShape } from './history-fill.ts'
import { type PlanRead, readPlan } from './plan-reading.ts'
import { differences } from './rollup-oracle.ts'
import { type TestStore, testStore } from './test-store.ts'
import { usualQuestions } from './usual-questions.ts'

const SHAPE: HistoryShape = { devices: 200, days: 10, periodS: 900 }
const ROWS_A_DAY = 86_400 / SHAPE.periodS
/** Of the rows that an answer is made from: roll-ups that are not up to date come on top. */
const MARGIN = 2
/** What the job has not done yet, each time that it is looked at: a tenth of the devices. */
const PENDING_ROWS = SHAPE.devices * 8
/** Of a table and its index each time that it is looked into, and on top one for each row. */
const PAGES_OF_LOOKUP = 10

interface Expected {
  /** Rows that the answer is made from. */
  readonly rows: number
  /** Days of readings that may be looked into, as days before today. */
  readonly daysAgo: readonly [from: number, to: number]
  /** The answer, computed from readings alone. */
  readonly recomputed: string
}

const EXPECTED: Readonly<Record<string, Expected>> = {
  'Latest of every device': {
    rows: SHAPE.devices,
    daysAgo: [1, 0],
    recomputed: 'SELECT DISTINCT ON (device_id) device_id, ts, temperature, ts AS temperature_at FROM readings ORDER BY device_id, ts DESC',
  },
  "One device's week by hour": {
    rows: 7 * 24,
    daysAgo: [1, 0],
    recomputed: `SELECT date_bin('1 hour', ts, 'epoch') AS hour, avg(temperature) AS mean, min(temperature) AS temperature_min, max(temperature) AS temperature_max
      FROM readings WHERE device_id = 'hive-7' AND date_bin('1 hour', ts, 'epoch') >= now() - interval '7 days' GROUP BY 1 ORDER BY 1`,
  },
  "A site's day": {
    rows: DEVICES_OF_SITE * ROWS_A_DAY,
    daysAgo: [1, 1],
    recomputed: `SELECT date_bin('1 hour', ts, 'epoch') AS hour, count(DISTINCT device_id) AS devices, avg(temperature) AS mean, max(temperature) AS max
      FROM readings WHERE site_id = 3 AND ts >= date_bin('1 day', now(), 'epoch') - interval '1 day' AND ts < date_bin('1 day', now(), 'epoch') GROUP BY 1 ORDER BY 1`,
  },
  'The last full hour of all devices': {
    rows: SHAPE.devices,
    daysAgo: [1, 0],
    recomputed: `SELECT device_id, count(*) AS rows, avg(temperature) AS mean, max(temperature) AS temperature_max FROM readings
      WHERE date_bin('1 hour', ts, 'epoch') = date_bin('1 hour', now(), 'epoch') - interval '1 hour' GROUP BY 1 ORDER BY 1`,
  },
  'The last 60 minutes of all devices': {
    rows: SHAPE.devices * (3600 / SHAPE.periodS + 1),
    daysAgo: [1, 0],
    recomputed: `SELECT device_id, count(*) AS rows, avg(temperature) AS mean FROM readings WHERE ts > now() - interval '60 minutes' GROUP BY 1 ORDER BY 1`,
  },
  'Top 20 devices by temperature yesterday': {
    rows: SHAPE.devices,
    daysAgo: [1, 0],
    recomputed: `SELECT device_id, max(temperature) AS temperature_max FROM readings
      WHERE ts >= date_bin('1 day', now(), 'epoch') - interval '1 day' AND ts < date_bin('1 day', now(), 'epoch') GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20`,
  },
  'Gaps of a device': {
    rows: 7 * ROWS_A_DAY,
    daysAgo: [7, 0],
    recomputed: `SELECT a.ts AS silent_from, coalesce(b.ts, now()) AS silent_until, coalesce(b.ts, now()) - a.ts AS silent_for
      FROM readings AS a LEFT JOIN LATERAL (SELECT min(ts) AS ts FROM readings WHERE device_id = a.device_id AND ts > a.ts) AS b ON true
      WHERE a.device_id = 'hive-7' AND a.ts > now() - interval '7 days' AND coalesce(b.ts, now()) - a.ts > interval '30 minutes' ORDER BY 1`,
  },
}

/** What an answer needs as a whole, or what the job keeps small. */
const READ_WHOLE = /^(latest_readings_kept|readings_(hourly|daily)_base|rollup_\w+|asset_devices|readings_default)$/

/** What is wrong with how a question was answered; empty if nothing. */
function faults(
  read: PlanRead,
  { rows, daysAgo: [from, to] }: Expected,
  dayOf: ReadonlyMap<string, number>,
  today: number,
): readonly string[] {
  const most = rows * MARGIN + PENDING_ROWS
  const found = read.scans.flatMap((each) => {
    const day = dayOf.get(each.table)
    const mostPages = each.times * PAGES_OF_LOOKUP + each.rows * 1.2
    if (day !== undefined && (day < today - from || day > today - to)) return [`${each.table} is outside the days of the question`]
    if (READ_WHOLE.test(each.table)) return []
    if (each.whole) return [`all of ${each.table} is read`]
    // An index without a condition on its first column is read from end to end: only this shows it.
    return each.pages > mostPages ? [`${each.pages} pages of ${each.table} are read for ${each.rows} rows`] : []
  })
  return read.rows > most ? [...found, `${read.rows} rows are read, expected at most ${most}`] : found
}

const rounded = (rows: readonly unknown[]): unknown =>
  JSON.parse(
    JSON.stringify(rows, (_, value: unknown) =>
      typeof value === 'bigint' ? Number(value) : typeof value === 'number' ? Math.round(value * 1e6) / 1e6 : value,
    ),
  )

function asking(backend: BackendName): void {
  describe(`the usual questions on ${backend}`, () => {
    let store: TestStore
    let client: pg.Client
    let dayOf: ReadonlyMap<string, number>
    let today: number

    before(async () => {
      store = await testStore(backend)
      client = await store.database.connect()
      await fillHistory({ url: store.database.url, backend, shape: SHAPE, clients: [client, await store.database.connect()] })
      today = Math.floor(Date.now() / DAY_MS)
      const session = await openSession({ url: store.database.url, applicationName: 'test' })
      const partitions = await (backend === 'postgres' ? createPostgresBackend() : createTimescaleBackend()).list(session)
      dayOf = new Map(partitions.map(({ name, fromMs }) => [name, Math.floor((fromMs ?? 0) / DAY_MS)]))
      await session.close()
    })

    after(() => store[Symbol.asyncDispose]())

    const explained = async (sql: string): Promise<PlanRead> => {
      const { rows } = await client.query<{ 'QUERY PLAN': unknown }>(`EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) ${sql}`)
      return readPlan(rows[0]?.['QUERY PLAN'])
    }

    it('are those that have an expectation here', () => {
      expect(usualQuestions().map(({ title }) => title)).to.deep.equal(Object.keys(EXPECTED))
    })

    for (const { title, sql } of usualQuestions()) {
      const expected = EXPECTED[title]
      if (expected === undefined) continue

      it(`${title}: reads what the answer needs, and not everything`, async () => {
        expect(faults(await explained(sql), expected, dayOf, today)).to.deep.equal([])
      })

      it(`${title}: a plan without the indexes is found out`, async () => {
        await client.query('SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off')
        try {
          expect(faults(await explained(sql), expected, dayOf, today)).to.not.deep.equal([])
        } finally {
          await client.query('RESET enable_indexscan; RESET enable_indexonlyscan; RESET enable_bitmapscan')
        }
      })

      it(`${title}: is answered as a recomputation from readings does`, async () => {
        // One snapshot, and one now().
        await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
        try {
          const { rows } = await client.query(sql)
          expect(rows).to.not.deep.equal([])
          expect(rounded(rows)).to.deep.equal(rounded((await client.query(expected.recomputed)).rows))
        } finally {
          await client.query('ROLLBACK')
        }
      })
    }

    for (const [title, index] of [
      ['The last full hour of all devices', 'readings_hourly_kept_hour'],
      ['Top 20 devices by temperature yesterday', 'readings_daily_kept_day'],
    ] as const)
      it(`${title}: is found out if it lacks index ${index}`, async () => {
        // With 200 devices a look-up for each of them is as good: that way is closed.
        await client.query('BEGIN; SET LOCAL enable_nestloop = off')
        try {
          const { sql } = usualQuestions().find((question) => question.title === title) ?? { sql: '' }
          expect(faults(await explained(sql), EXPECTED[title] as Expected, dayOf, today)).to.deep.equal([])
          await client.query(`DROP INDEX ${index}`)
          expect(faults(await explained(sql), EXPECTED[title] as Expected, dayOf, today)).to.not.deep.equal([])
        } finally {
          await client.query('ROLLBACK')
        }
      })

    it('are found out if they look into other days, or into all devices', async () => {
      const site = EXPECTED["A site's day"] as Expected
      const found = faults(await explained('SELECT count(*) FROM readings WHERE site_id = 3'), site, dayOf, today)
      expect(found.filter((fault) => fault.endsWith('is outside the days of the question')).length).to.be.at.least(SHAPE.days)
      expect(found.filter((fault) => fault.startsWith('all of readings') || fault.startsWith('all of _hyper'))).to.have.length(1)
      expect(found.filter((fault) => fault.includes('rows are read'))).to.have.length(1)
    })
  })

  it(`the history that the questions are asked of is as the job of the roll-ups would leave it, on ${backend}`, async () => {
    await using store = await testStore(backend)
    const client = await store.database.connect()
    await fillHistory({ url: store.database.url, backend, shape: { devices: 100, days: 2, periodS: 1800 }, clients: [client] })
    expect(await differences(client)).to.deep.equal([])
    const sites = (source: string): Promise<unknown> =>
      store.database.query(`SELECT DISTINCT site_id, device_id, date_bin('1 day', ts, 'epoch') AS day FROM ${source} ORDER BY 1, 2, 3`)
    for (const site of [1, 2, 3])
      expect(await sites(`readings_of_site(${site})`)).to.deep.equal(await sites(`(SELECT * FROM readings WHERE site_id = ${site}) AS r`))
  })
}

for (const backend of ['timescaledb', 'postgres'] as const) asking(backend)
