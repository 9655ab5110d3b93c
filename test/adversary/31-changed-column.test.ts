import { expect } from 'chai'
import { testRows } from '../pipeline/readings-batch.ts'
import { type TestStore, testStore } from '../pipeline/test-store.ts'

const messageOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    (result) => JSON.stringify(result),
    (cause: unknown) => (cause instanceof Error ? cause.message : String(cause)),
  )

for (const backend of ['timescaledb', 'postgres'] as const) {
  describe(`a column of readings that was changed by hand, on ${backend}`, () => {
    let store: TestStore

    beforeEach(async () => {
      store = await testStore(backend)
      // Whoever changes a column has to drop what looks at it first.
      await store.database.query('DROP VIEW asset_readings CASCADE')
    })

    afterEach(() => store[Symbol.asyncDispose]())

    it('is named with its type and the one that was expected, at the first commit after it, and no row is refused for it', async () => {
      await store.write(testRows('hive', 3))
      await store.database.query('ALTER TABLE readings ALTER COLUMN humidity TYPE real')
      const rows = testRows('mast', 3).map((row) => ({ ...row, humidity: 40 }))
      for (let attempt = 0; attempt < 2; attempt++)
        expect(await messageOf(store.write(rows))).to.contain('column humidity of table readings is real, expected double precision')
      await store.database.query('ALTER TABLE readings ALTER COLUMN humidity TYPE double precision')
      expect(await store.write(rows)).to.include({ tag: 'committed', inserted: 3 })
    })

    it('is named if it is gone, and tolerated if it takes the same bytes', async () => {
      await store.database.query('CREATE DOMAIN percent AS double precision; ALTER TABLE readings ALTER COLUMN humidity TYPE percent')
      expect(await store.write(testRows('hive', 3))).to.include({ tag: 'committed', inserted: 3 })
      await store.database.query('ALTER TABLE readings DROP COLUMN weight')
      expect(await store.write(testRows('yard', 3)), 'no row has a weight').to.include({ tag: 'committed', inserted: 3 })
      const weighed = testRows('mast', 3).map((row) => ({ ...row, weight: 31 }))
      await messageOf(store.write(weighed))
      expect(await messageOf(store.write(weighed))).to.contain('table readings has no column weight: run `millrace migrate`')
    })

    it('is named if it has a default when a session begins: no row gets a value that no device sent', async () => {
      await store.database.query('ALTER TABLE readings ALTER COLUMN humidity SET DEFAULT 0')
      await store.database.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'millrace store' AND datname = current_database()",
      )
      await messageOf(store.write(testRows('hive', 3)))
      expect(await messageOf(store.write(testRows('hive', 3)))).to.contain('column humidity of table readings has a default')
      await store.database.query('ALTER TABLE readings ALTER COLUMN humidity DROP DEFAULT')
      expect(await store.write(testRows('hive', 3))).to.include({ tag: 'committed', inserted: 3 })
    })
  })
}
