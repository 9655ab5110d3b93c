import { expect } from 'chai'
import type { SinkResult } from '../../connectors/contract.ts'
import type { BackendName } from '../../connectors/postgres/backend.ts'
import { type TestRow, testRows } from '../pipeline/readings-batch.ts'
import { type TestStore, testStore } from '../pipeline/test-store.ts'

const NOON = Date.UTC(2026, 10, 29, 12)
const HOT = 1000

/** A trigger on `readings` that does something for each row that is hot. */
function trigger(kind: string, does: string, result = 'new'): string {
  return `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF new.temperature >= ${HOT} THEN ${does}; END IF; RETURN ${result}; END $$;
    CREATE ${kind} ON readings FOR EACH ROW EXECUTE FUNCTION refuse()`
}

const refusals: readonly { readonly what: string; readonly sql: string; readonly sqlState: string; readonly only?: BackendName }[] = [
  {
    what: 'a unique constraint beside the key',
    sql: 'CREATE UNIQUE INDEX ON readings (account_id, ts) WHERE temperature >= 1000',
    sqlState: '23505',
  },
  {
    what: 'an exclusion constraint',
    sql: 'ALTER TABLE readings_20261129 ADD EXCLUDE USING btree (weight WITH =) WHERE (temperature >= 1000)',
    sqlState: '23P01',
    only: 'postgres',
  },
  {
    what: 'a trigger before the row that raises',
    sql: trigger('TRIGGER hot BEFORE INSERT OR UPDATE', "RAISE 'too hot'"),
    sqlState: 'P0001',
  },
  { what: 'a trigger after the row that raises', sql: trigger('TRIGGER hot AFTER INSERT OR UPDATE', "RAISE 'too hot'"), sqlState: 'P0001' },
  {
    what: 'a trigger that raises a code of its own',
    sql: trigger('TRIGGER hot BEFORE INSERT', "RAISE 'too hot' USING ERRCODE = 'HOT01'"),
    sqlState: 'HOT01',
  },
  { what: 'a trigger that fails', sql: trigger('TRIGGER hot AFTER INSERT', 'new.temperature := 1 / 0'), sqlState: '22012' },
  { what: 'an assertion of a trigger', sql: trigger('TRIGGER hot BEFORE INSERT', 'ASSERT false'), sqlState: 'P0004' },
  { what: 'a trigger that leaves the row out without a word', sql: trigger('TRIGGER hot BEFORE INSERT', 'RETURN NULL'), sqlState: '02000' },
  {
    what: 'a trigger that waits for COMMIT',
    sql: trigger('CONSTRAINT TRIGGER hot AFTER INSERT', "RAISE 'too hot'").replace(
      'ON readings FOR',
      'ON readings DEFERRABLE INITIALLY DEFERRED FOR',
    ),
    sqlState: 'P0001',
    only: 'postgres',
  },
]

function rowsOf(result: SinkResult): unknown {
  return result.tag === 'bad-rows' ? result.rows.map(({ row, sqlState }) => [row, sqlState]) : result.tag
}

function suite(backend: BackendName): void {
  describe(`a row that something in the database refuses, on ${backend}`, () => {
    let store: TestStore

    beforeEach(async () => {
      store = await testStore(backend)
    })

    afterEach(() => store[Symbol.asyncDispose]())

    for (const { what, sql, sqlState, only } of refusals) {
      if (only !== undefined && only !== backend) continue
      for (const path of ['COPY', 'the merge'] as const) {
        it(`is named, and no other row with it: ${what}, on ${path}`, async () => {
          // With the unique and the exclusion constraint, this row is what the hot ones collide
          // with.
          await store.write([{ device: 'first', tsMs: NOON, account: 1, weight: 1, temperature: HOT }])
          if (path === 'the merge') await store.write([{ device: 'first', tsMs: NOON, account: 1 }])
          await store.database.query(sql)
          const hot = (device: string): TestRow => ({ device, tsMs: NOON, account: 1, weight: 1, temperature: HOT })
          const good = testRows('good', 200, NOON).map((row) => ({ ...row, account: 2 }))
          const rows = [...good.slice(0, 50), hot('hot-1'), ...good.slice(50), hot('hot-2')]
          expect(rowsOf(await store.write(rows))).to.deep.equal([
            [50, sqlState],
            [201, sqlState],
          ])
          expect(rowsOf(await store.sink.dryRun(store.batch(rows)))).to.deep.equal([
            [50, sqlState],
            [201, sqlState],
          ])
          expect(await store.write(good)).to.include({ tag: 'committed', inserted: 200 })
        })
      }
    }

    it('is named if it is refused only once it is merged with what is there', async () => {
      await store.database.query('ALTER TABLE readings ADD CHECK (humidity < temperature)')
      await store.write([{ device: 'a', tsMs: NOON, temperature: 20 }])
      const rows: readonly TestRow[] = [
        { device: 'b', tsMs: NOON, temperature: 10 },
        { device: 'a', tsMs: NOON, humidity: 40 },
        { device: 'a', tsMs: NOON, weight: 3 },
        { device: 'b', tsMs: NOON, humidity: 11 },
      ]
      const result = await store.write(rows)
      expect(rowsOf(result)).to.deep.equal([
        [1, '23514'],
        [3, '23514'],
      ])
      expect(await store.write([rows[0] as TestRow, rows[2] as TestRow])).to.include({ tag: 'committed', inserted: 1, merged: 1 })
    })

    it('is found among thousands that are refused as well, at once', async () => {
      await store.database.query(trigger('TRIGGER hot AFTER INSERT', "RAISE 'too hot'"))
      const rows = testRows('hive', 4000, NOON).map((row, index) =>
        index % 2 === 0 ? { ...row, temperature: HOT } : { ...row, temperature: 1 },
      )
      const result = await store.write(rows)
      expect(result.tag === 'bad-rows' && result.rows.length).to.equal(2000)
    })

    const raising = (sqlState: string): Promise<unknown> =>
      store.database.query(
        `DROP FUNCTION IF EXISTS refuse CASCADE; ${trigger('TRIGGER hot BEFORE INSERT', `RAISE 'problem' USING ERRCODE = '${sqlState}'`)}`,
      )
    const batch: readonly TestRow[] = [...testRows('good', 3, NOON), { device: 'hot', tsMs: NOON, temperature: HOT }]

    it('is no row of ours if the database itself is in problem: it waits, and no dead letter comes of it', async () => {
      for (const [sqlState, transient] of [
        ['53100', true],
        ['XX000', true],
        ['42501', false],
      ] as const) {
        await raising(sqlState)
        expect(await store.write(batch).catch((cause: unknown) => cause)).to.include({ code: sqlState, transient })
      }
    })

    it('is none either if the batch is too much for the database: its parts are tried, on the same connection', async () => {
      for (const sqlState of ['53200', '53400', '54000', '57014']) {
        await raising(sqlState)
        const result = await store.write(batch)
        expect(result.tag === 'not-whole' && [result.cause.code, result.cause.transient]).to.deep.equal([sqlState, true])
        expect(await store.sink.dryRun(store.batch(batch))).to.have.property('tag', 'not-whole')
      }
      expect(await store.write(batch.slice(0, 3))).to.include({ tag: 'committed', inserted: 3 })
    })
  })
}

suite('timescaledb')
suite('postgres')
