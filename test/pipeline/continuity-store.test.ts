import { join } from 'node:path'
import { createContinuityStore } from '../../connectors/postgres/continuity-store.ts'
import { migrateTelemetry } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import { continuityStoreConformance } from '../conformance/continuity-store.ts'
import { cuttingProxy } from './cutting-proxy.ts'
import { scratchDatabase } from './scratch-database.ts'

continuityStoreConformance('on PostgreSQL', async () => {
  const database = await scratchDatabase('TELEMETRY_DATABASE_URL')
  const migrations = await readMigrations(join(import.meta.dirname, '../../../db/telemetry'))
  await migrateTelemetry({ url: database.url, migrations, quantities, backend: 'postgres' })
  const proxy = await cuttingProxy(database.url)
  const store = createContinuityStore(proxy.url)
  return {
    store,
    cutNext: (...cut) => proxy.cutNext(...cut),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]()
      await proxy[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
    },
  }
})
