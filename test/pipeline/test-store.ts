import { join } from 'node:path'
import type { Claim, Log, ReadingsSink, SinkBatch, SinkResult } from '../../connectors/contract.ts'
import type { BackendName } from '../../connectors/postgres/backend.ts'
import { migrateTelemetry } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import { createReadingsSink } from '../../connectors/postgres/readings-sink.ts'
import type { ConsumerName, Topic } from '../../processors/contract.ts'
import type { ConflictPolicy } from '../../processors/store/merge-columns.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import { sinkBatch, type TestRow } from './readings-batch.ts'
import { type ScratchDatabase, scratchDatabase } from './scratch-database.ts'

const store = 'store' as ConsumerName
const topic = 'telemetry.readings' as Topic
const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }

/**
 * A telemetry database of a test's own, and a sink that owns one partition and goes on from batch
 * to batch.
 */
export interface TestStore extends AsyncDisposable {
  readonly database: ScratchDatabase
  readonly sink: ReadingsSink
  /** Rows as the next batch of the partition. */
  batch(rows: readonly TestRow[]): SinkBatch
  /** Commits rows as a batch. */
  write(rows: readonly TestRow[]): Promise<SinkResult>
  /** Counts of the partition, without its offsets. */
  ledger(): Promise<Record<string, unknown> | undefined>
}

export async function testStore(backend: BackendName, conflicts: ConflictPolicy = 'keep-first'): Promise<TestStore> {
  const database = await scratchDatabase('TELEMETRY_DATABASE_URL')
  const migrations = await readMigrations(join(import.meta.dirname, '../../../db/telemetry'))
  await migrateTelemetry({ url: database.url, migrations, quantities, backend })
  const sink = createReadingsSink({ url: database.url, backend, quantities, conflicts, log: silent })
  const [claimed] = await sink.claim(store, 'topic-1', [{ topic, partition: 0, earliest: 0n }])
  const { epoch } = claimed as Claim
  let position = claimed?.nextOffset ?? 0n
  const batch = (rows: readonly TestRow[]): SinkBatch =>
    sinkBatch(rows, [
      { topic, partition: 0, from: position, to: position + 1n, leaderEpoch: 0, epoch, rows: [{ first: 0, end: rows.length }], dead: 0 },
    ])
  return {
    database,
    sink,
    batch,
    async write(rows) {
      const result = await sink.commit(store, batch(rows))
      if (result.tag === 'committed') position++
      return result
    },
    async ledger() {
      return (await database.query('SELECT stored, merged, repeated, conflicts FROM consumer_offset'))[0]
    },
    async [Symbol.asyncDispose]() {
      await sink[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
    },
  }
}
