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
      await messageOf(store.write(testRows('mast', 3)))
      expect(await messageOf(store.write(testRows('mast', 3)))).to.contain('table readings has no column weight: run `millrace migrate`')
    })
  })
}
