import { expect } from 'chai'
import type { SinkResult } from '../../connectors/contract.ts'
import type { BackendName } from '../../connectors/postgres/backend.ts'
import { type ConflictPolicy, mergeColumns, type RowValues } from '../../processors/store/merge-columns.ts'
import { type TestRow, testRows } from '../pipeline/readings-batch.ts'
import { type TestStore, testStore } from '../pipeline/test-store.ts'

const NOON = Date.UTC(2026, 10, 29, 12)
const DAY_MS = 86_400_000
const at = (tsMs: number, values: Omit<TestRow, 'device' | 'tsMs'>, device = 'hive'): TestRow => ({ device, tsMs, ...values })
const counts = (inserted: number, merged: number, repeated: number, conflicts: number) => ({ inserted, merged, repeated, conflicts })

function countsOf(result: SinkResult): unknown {
  if (result.tag !== 'committed') return result
  const { inserted, merged, repeated, conflicts } = result
  return counts(
    inserted,
    merged,
    repeated,
    conflicts.reduce((sum, { rows }) => sum + rows, 0),
  )
}

function suite(backend: BackendName): void {
  describe(`rows of one device and time, on ${backend}`, () => {
    let store: TestStore
    const rows = () =>
      store.database.query('SELECT device_id, account_id, site_id, temperature, humidity, weight FROM readings ORDER BY ts, device_id')
    const hive = (temperature: number | null, humidity: number | null, weight: number | null = null) => ({
      device_id: 'hive',
      account_id: null,
      site_id: null,
      temperature,
      humidity,
      weight,
    })
    const open = async (policy: ConflictPolicy = 'keep-first'): Promise<void> => {
      store = await testStore(backend, policy)
    }

    afterEach(() => store[Symbol.asyncDispose]())

    it('lose no quantity that comes in a second message', async () => {
      await open()
      expect(countsOf(await store.write([at(NOON, { temperature: 21.5 })]))).to.deep.equal(counts(1, 0, 0, 0))
      expect(countsOf(await store.write([at(NOON, { humidity: 40 })]))).to.deep.equal(counts(0, 1, 0, 0))
      expect(await rows()).to.deep.equal([hive(21.5, 40)])
      expect(await store.ledger()).to.deep.equal({ stored: 1n, merged: 1n, repeated: 0n, conflicts: 0n })
    })

    it('lose no quantity that comes in the same batch, and leave its other rows to COPY', async () => {
      await open()
      const twice = [
        ...testRows('mast', 50, NOON),
        at(NOON, { temperature: 21.5 }),
        at(NOON, { humidity: 40 }),
        at(NOON, { weight: 3, humidity: 40 }),
      ]
      expect(countsOf(await store.write(twice))).to.deep.equal(counts(51, 2, 0, 0))
      expect((await rows()).filter(({ device_id }) => device_id === 'hive')).to.deep.equal([hive(21.5, 40, 3)])
      expect(countsOf(await store.write([at(NOON + 1, { temperature: 1 }), at(NOON + 1, { temperature: 1 })]))).to.deep.equal(
        counts(1, 0, 1, 0),
      )
    })

    it('are called conflicts if a value differs: the first stays, the device and an example are noted, and nothing of it counts as stored', async () => {
      await open()
      await store.write([at(NOON, { temperature: 21.5 })])
      expect(
        await store.write([at(NOON, { temperature: 22, humidity: 40 }), at(NOON, { temperature: 23 }), at(NOON + 1000, { weight: 1 })]),
      ).to.deep.equal({
        tag: 'committed',
        inserted: 1,
        merged: 0,
        repeated: 0,
        conflicts: [{ device: 'hive', rows: 2, example: { tsMicros: NOON * 1000, column: 'temperature', kept: 21.5, refused: 23 } }],
      })
      expect((await rows())[0]).to.deep.equal(hive(21.5, 40))
      expect(await store.ledger()).to.deep.equal({ stored: 2n, merged: 0n, repeated: 0n, conflicts: 2n })
      expect(await store.database.query('SELECT device_id, conflicts, ts, quantity, kept, refused FROM reading_conflict')).to.deep.equal([
        { device_id: 'hive', conflicts: 2n, ts: new Date(NOON), quantity: 'temperature', kept: 21.5, refused: 23 },
      ])
    })

    it('keep the last value if the configuration says so, and count the conflict all the same', async () => {
      await open('keep-last')
      await store.write([at(NOON, { temperature: 21.5, humidity: 40 })])
      expect(countsOf(await store.write([at(NOON, { temperature: 22 })]))).to.deep.equal(counts(0, 0, 0, 1))
      expect(countsOf(await store.write([at(NOON, { temperature: 22 })]))).to.deep.equal(counts(0, 0, 1, 0))
      expect(await rows()).to.deep.equal([hive(22, 40)])
      expect(await store.database.query('SELECT kept, refused FROM reading_conflict')).to.deep.equal([{ kept: 22, refused: 21.5 }])
    })

    it('write nothing at all if they are repeats: no dead tuple, no lock, no WAL of the table', async () => {
      await open()
      const same = testRows('hive', 500, NOON)
      await store.write(same)
      await store.write(same)
      const before = await store.database.query('SELECT ctid, xmin, xmax, * FROM readings ORDER BY ts')
      expect(countsOf(await store.write(same))).to.deep.equal(counts(0, 0, 500, 0))
      expect(await store.database.query('SELECT ctid, xmin, xmax, * FROM readings ORDER BY ts')).to.deep.equal(before)
    })

    it('merge with rows of many days, in one batch', async () => {
      await open()
      const days = Array.from({ length: 30 }, (_, day) => NOON - day * DAY_MS)
      await store.write(days.map((tsMs) => at(tsMs, { temperature: 20 })))
      expect(
        countsOf(await store.write(days.flatMap((tsMs, day) => [at(tsMs, { humidity: day }), at(tsMs + 1, { humidity: day })]))),
      ).to.deep.equal(counts(30, 30, 0, 0))
      expect(
        await store.database.query('SELECT count(*) AS rows FROM readings WHERE temperature = 20 AND humidity IS NOT NULL'),
      ).to.deep.equal([{ rows: 30n }])
    })

    it('take the account and the site that were not known before, and keep them against others', async () => {
      await open()
      await store.write([at(NOON, { temperature: 1 }), at(NOON + 1, { temperature: 1, account: 7 })])
      expect(
        countsOf(
          await store.write([at(NOON, { temperature: 1, account: 7, site: 8 }), at(NOON + 1, { temperature: 1, account: 9, site: 10 })]),
        ),
      ).to.deep.equal(counts(0, 1, 0, 1))
      expect((await rows()).map(({ account_id, site_id }) => [account_id, site_id])).to.deep.equal([
        [7n, 8n],
        [7n, null],
      ])
    })

    it('say in a dry run what they would become, and change nothing', async () => {
      await open()
      await store.write([at(NOON, { temperature: 21.5 })])
      const batch = store.batch([
        at(NOON, { humidity: 40 }),
        at(NOON, { temperature: 22 }),
        at(NOON, { temperature: 21.5 }),
        at(NOON + 1, {}),
      ])
      expect(countsOf(await store.sink.dryRun(batch))).to.deep.equal(counts(1, 1, 1, 1))
      expect(await rows()).to.deep.equal([hive(21.5, null)])
      expect(await store.database.query('SELECT count(*) AS devices FROM reading_conflict')).to.deep.equal([{ devices: 0n }])
    })

    it('merge with what another one is writing at the same moment', async () => {
      await open()
      await store.write([at(NOON, { temperature: 21.5 }), at(NOON, { temperature: 21.5 })])
      const other = await store.database.connect()
      await other.query('BEGIN')
      await other.query(`UPDATE readings SET weight = 5 WHERE ts = $1`, [new Date(NOON)])
      await other.query(`INSERT INTO readings (device_id, ts, time_estimated, weight) VALUES ('hive', $1, false, 6)`, [new Date(NOON + 1)])
      const writing = store.write([at(NOON, { humidity: 40 }), at(NOON + 1, { humidity: 41 })])
      for (let waits = 0; waits === 0; )
        waits = (await store.database.query("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"))
          .length
      await other.query('COMMIT')
      expect(countsOf(await writing)).to.deep.equal(counts(0, 2, 0, 0))
      expect(await rows()).to.deep.equal([hive(21.5, 40, 5), hive(null, 41, 6)])
    })

    for (const policy of ['keep-first', 'keep-last'] as const) {
      it(`are what they would be one after the other, whichever way they come in batches, with ${policy}`, async () => {
        await open(policy)
        const random = randomNumbers(20_261_129)
        const model = new Map<string, RowValues>()
        const expected = { stored: 0n, merged: 0n, repeated: 0n, conflicts: 0n }
        for (let batch = 0; batch < 40; batch++) {
          const batchRows = Array.from({ length: random(40) }, () => randomRow(random))
          for (const row of batchRows) {
            const place = `${String(row.device)} ${row.tsMs}`
            const there = model.get(place)
            if (there === undefined) {
              model.set(place, valuesOf(row))
              expected.stored++
            } else {
              const { outcome } = mergeColumns(there, valuesOf(row), policy)
              if (outcome === 'conflict') expected.conflicts++
              else expected[outcome]++
            }
          }
          await store.write(batchRows)
        }
        const stored = await store.database.query(
          `SELECT device_id || ' ' || round(extract(epoch FROM ts) * 1000) AS place, time_estimated AS estimated,
             ARRAY[account_id::float8, site_id::float8, temperature, humidity, weight] AS values FROM readings`,
        )
        expect(new Map(stored.map(({ place, ...row }) => [place, row]))).to.deep.equal(model)
        expect(await store.ledger()).to.deep.equal(expected)
      })
    }
  })
}

/** Numbers below a bound, the same ones each time. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** Of few keys and few values, so that all kinds of meetings happen. */
function randomRow(random: (below: number) => number): TestRow {
  const account = random(3)
  const site = random(3)
  const values = Object.fromEntries(['temperature', 'humidity', 'weight'].flatMap((name) => (random(3) > 0 ? [] : [[name, random(2)]])))
  return {
    device: `hive-${random(3)}`,
    tsMs: NOON + random(10) * DAY_MS,
    estimated: random(2) > 0,
    ...(account > 0 ? { account } : {}),
    ...(account > 0 && site > 0 ? { site } : {}),
    ...values,
  }
}

function valuesOf({ estimated = false, account, site, temperature, humidity, weight }: TestRow): RowValues {
  return { estimated, values: [account ?? null, site ?? null, temperature ?? null, humidity ?? null, weight ?? null] }
}

suite('timescaledb')
suite('postgres')
