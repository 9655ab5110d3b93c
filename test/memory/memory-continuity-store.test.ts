import { continuityStoreConformance } from '../conformance/continuity-store.ts'
import { MemoryContinuityStore } from './memory-continuity-store.ts'
import { MemoryDatabase } from './memory-database.ts'

continuityStoreConformance('in memory', async () => {
  const database = new MemoryDatabase()
  return {
    store: new MemoryContinuityStore(database),
    cutNext: (_statement, when) => database.cutNext(when),
    async [Symbol.asyncDispose]() {},
  }
})
