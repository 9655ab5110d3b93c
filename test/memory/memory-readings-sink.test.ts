import { readingsSinkConformance } from '../conformance/readings-sink.ts'
import { MemoryDatabase } from './memory-database.ts'
import { MemoryReadingsSink, type MemoryRow } from './memory-readings-sink.ts'

readingsSinkConformance('in memory', async () => {
  const database = new MemoryDatabase()
  const rows = new Map<string, MemoryRow>()
  const sink = new MemoryReadingsSink(database, rows)
  return {
    sink,
    another: () => new MemoryReadingsSink(database.again(), rows),
    cutNext: (_statement, ...cut) => database.cutNext(...cut),
    up() {
      database.away = false
    },
    offsets: async () => database.offsets(),
    rows: async () => rows.size,
    async constrain() {
      sink.constraint = (row) =>
        Buffer.from(row.get('temperature') ?? '', 'hex').length === 8 &&
        Buffer.from(row.get('temperature') ?? '', 'hex').readDoubleBE() >= 1000
          ? 'sane'
          : undefined
    },
    async [Symbol.asyncDispose]() {},
  }
})
