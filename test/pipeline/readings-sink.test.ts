import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import {
  type Claim,
  ConnectorError,
  type Log,
  type OffsetMove,
  type ReadingsSink,
  type RowRange,
  type SinkResult,
} from '../../connectors/contract.ts'
import type { BackendName } from '../../connectors/postgres/backend.ts'
import { findBackend } from '../../connectors/postgres/backend-choice.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { migrateTelemetry } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import { createReadingsSink } from '../../connectors/postgres/readings-sink.ts'
import type { ConsumerName, Topic } from '../../processors/contract.ts'
import type { ConflictPolicy } from '../../processors/store/merge-columns.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import { readingsSinkConformance, type SinkFixture } from '../conformance/readings-sink.ts'
import type { OffsetsRow } from '../memory/memory-database.ts'
import { type CuttingProxy, cuttingProxy } from './cutting-proxy.ts'
import { sinkBatch, testRows } from './readings-batch.ts'
import { makeDayReady } from './ready-day.ts'
import { type ScratchDatabase, scratchDatabase } from './scratch-database.ts'

const store = 'store' as ConsumerName
const topic = 'telemetry.readings' as Topic
const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }
const DAY_MS = 86_400_000
/** Of the rows that tests write: its partition is there, as in production. */
const DAY = Date.UTC(2026, 10, 23)

const committed = (inserted: number, repeated = 0, merged = 0): SinkResult => ({
  tag: 'committed',
  inserted,
  merged,
  repeated,
  conflicts: [],
})

/** A sink whose connection goes through a proxy that can cut it. */
async function openFixture(backend: BackendName): Promise<SinkFixture> {
  const database = await scratchDatabase('TELEMETRY_DATABASE_URL')
  const migrations = await readMigrations(join(import.meta.dirname, '../../../db/telemetry'))
  await migrateTelemetry({ url: database.url, migrations, quantities, backend })
  await makeDayReady(database.url, backend, DAY)
  const proxy = await cuttingProxy(database.url)
  const sinks: ReadingsSink[] = []
  const open = (url: string): ReadingsSink => {
    const opened = createReadingsSink({ url, backend, quantities, conflicts: 'keep-first', log: silent })
    sinks.push(opened)
    return opened
  }
  const sink = open(proxy.url)
  return {
    sink,
    another: () => open(database.url),
    cutNext: (...cut) => proxy.cutNext(...cut),
    up: () => proxy.up(),
    offsets: async () =>
      (await database.query(
        'SELECT partition, next_offset, stored, repeated, dead FROM consumer_offset ORDER BY partition',
      )) as unknown as readonly OffsetsRow[],
    rows: async () => Number((await database.query('SELECT count(*) AS rows FROM readings'))[0]?.rows),
    constrain: async () => void (await database.query('ALTER TABLE readings ADD CONSTRAINT sane CHECK (temperature < 1000)')),
    async [Symbol.asyncDispose]() {
      for (const opened of sinks) await opened[Symbol.asyncDispose]()
      await proxy[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
    },
  }
}

function storing(backend: BackendName): void {
  describe(`the readings sink on ${backend}`, () => {
    let database: ScratchDatabase
    let proxy: CuttingProxy
    let sink: ReadingsSink
    const sinks: ReadingsSink[] = []

    const open = (url: string, conflicts: ConflictPolicy = 'keep-first'): ReadingsSink => {
      const opened = createReadingsSink({ url, backend, quantities, conflicts, log: silent })
      sinks.push(opened)
      return opened
    }
    const claim = async (by = sink, partition = 0): Promise<Claim> => {
      const [claimed] = await by.claim(store, 'topic-1', [{ topic, partition, earliest: 0n }])
      if (claimed === undefined) throw new Error('nothing was claimed')
      return claimed
    }
    const moved = (claimed: Claim, by: bigint, rows: readonly RowRange[], dead = 0): OffsetMove => {
      const from = claimed.nextOffset
      return { topic, partition: claimed.partition, from, to: from + by, leaderEpoch: 4, epoch: claimed.epoch, rows, dead }
    }
    const stored = async (): Promise<unknown> => (await database.query('SELECT count(*) AS rows FROM readings'))[0]?.rows
    const refusals = (result: SinkResult) =>
      result.tag === 'bad-rows' ? result.rows.map(({ row, sqlState }) => ({ row, sqlState })) : result.tag
    const refusedBatch = async (result: Promise<unknown>): Promise<ConnectorError> => {
      try {
        await result
      } catch (error) {
        if (error instanceof ConnectorError) return error
        throw error
      }
      throw new Error('expected the commit to fail')
    }

    beforeEach(async () => {
      database = await scratchDatabase('TELEMETRY_DATABASE_URL')
      const migrations = await readMigrations(join(import.meta.dirname, '../../../db/telemetry'))
      await migrateTelemetry({ url: database.url, migrations, quantities, backend })
      await makeDayReady(database.url, backend, DAY)
      proxy = await cuttingProxy(database.url)
      sink = open(proxy.url)
    })

    afterEach(async () => {
      for (const opened of sinks.splice(0)) await opened[Symbol.asyncDispose]()
      await proxy[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
    })

    it('keeps the values as they were', async () => {
      await sink.commit(store, sinkBatch(testRows('hive', 100), [moved(await claim(), 5n, [{ first: 0, end: 100 }])]))
      expect(
        await database.query('SELECT device_id, ts, time_estimated, account_id, temperature, humidity FROM readings ORDER BY ts OFFSET 99'),
      ).to.deep.equal([
        {
          device_id: 'hive',
          ts: new Date(Date.UTC(2026, 10, 23, 0, 1, 39)),
          time_estimated: false,
          account_id: null,
          temperature: 9.9,
          humidity: null,
        },
      ])
    })

    it('goes back to plain COPY after batches without repeats', async () => {
      let claimed = await claim()
      for (let batch = 0; batch < 8; batch++) {
        const rows = batch === 0 ? [...testRows('hive', 5), ...testRows('hive', 5)] : testRows(`hive-${batch}`, 10)
        const result = await sink.commit(store, sinkBatch(rows, [moved(claimed, 1n, [{ first: 0, end: 10 }])]))
        expect(result).to.deep.equal(committed(batch === 0 ? 5 : 10, batch === 0 ? 5 : 0))
        claimed = { ...claimed, nextOffset: BigInt(batch + 1) }
      }
    })

    for (const path of ['COPY', 'the merge'] as const) {
      it(`names the row that a constraint refuses, on ${path}`, async () => {
        await database.query('ALTER TABLE readings ADD CONSTRAINT sane CHECK (temperature < 1000)')
        const claimed = await claim()
        const before = path === 'COPY' ? [] : [...testRows('mast', 1), ...testRows('mast', 1)]
        await sink.commit(store, sinkBatch(before, [moved(claimed, 1n, [{ first: 0, end: before.length }])]))
        const rows = testRows('hive', 3000).map((row, index) => (index === 1234 || index === 2345 ? { ...row, temperature: 5000 } : row))
        const result = await sink.commit(store, sinkBatch(rows, [moved({ ...claimed, nextOffset: 1n }, 1n, [{ first: 0, end: 3000 }])]))
        expect(refusals(result)).to.deep.include({ row: 1234, sqlState: '23514' })
        expect(JSON.stringify(result)).to.contain('sane')
        const without = rows.filter((_, index) => index !== 1234 && index !== 2345)
        expect(
          await sink.commit(store, sinkBatch(without, [moved({ ...claimed, nextOffset: 1n }, 1n, [{ first: 0, end: 2998 }], 2)])),
        ).to.deep.equal(committed(2998, 0))
      })

      it(`names the row whose text the database refuses, early in a large batch, on ${path}`, async () => {
        const claimed = await claim()
        const before = path === 'COPY' ? [] : [...testRows('mast', 1), ...testRows('mast', 1)]
        await sink.commit(store, sinkBatch(before, [moved(claimed, 1n, [{ first: 0, end: before.length }])]))
        const rows = testRows('hive', 20_000).map((row, index) => (index === 3 ? { ...row, device: Buffer.from([0x61, 0xff]) } : row))
        const batch = sinkBatch(rows, [moved({ ...claimed, nextOffset: 1n }, 1n, [{ first: 0, end: 20_000 }])])
        for (let attempt = 0; attempt < 3; attempt++) {
          expect(refusals(await sink.commit(store, batch))).to.deep.equal([{ row: 3, sqlState: '22021' }])
        }
      })
    }

    it('calls a stream that is no COPY a defect, not a bad row', async () => {
      const batch = { ...sinkBatch(testRows('hive', 1), [moved(await claim(), 1n, [{ first: 0, end: 1 }])]) }
      const error = await refusedBatch(
        sink.commit(store, { ...batch, copy: Buffer.concat([batch.copy.subarray(0, 30), Buffer.from([0xff, 0xff])]) }),
      )
      expect(error).to.include({ transient: false, code: '22P04' })
    })

    it('says that it is transient when its connection is killed in COPY, and then commits the same batch', async () => {
      const batch = sinkBatch(testRows('hive', 100), [moved(await claim(), 1n, [{ first: 0, end: 100 }])])
      const blocker = await database.connect()
      await blocker.query('BEGIN; LOCK TABLE readings IN ACCESS EXCLUSIVE MODE')
      const failing = refusedBatch(sink.commit(store, batch))
      const waiting = "application_name = 'millrace store' AND datname = current_database() AND wait_event_type = 'Lock'"
      for (let killed = 0; killed === 0; await sleep(10)) {
        killed = (await database.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${waiting}`)).length
      }
      expect(await failing).to.include({ transient: true, code: '57P01' })
      await blocker.query('ROLLBACK')
      expect(await sink.commit(store, batch)).to.deep.equal(committed(100, 0))
      expect(await stored()).to.equal(100n)
    })

    it('waits for a claim until the transaction of the owner before is over', async () => {
      const batch = sinkBatch(testRows('hive', 100), [moved(await claim(), 3n, [{ first: 0, end: 100 }])])
      const blocker = await database.connect()
      await blocker.query('BEGIN; LOCK TABLE readings IN ACCESS EXCLUSIVE MODE')
      const committing = sink.commit(store, batch)
      await sleep(100)
      const claiming = claim(open(database.url))
      await sleep(100)
      await blocker.query('ROLLBACK')
      expect(await committing).to.have.property('tag', 'committed')
      expect(await claiming).to.include({ nextOffset: 3n, epoch: 2n })
    })

    it('says that a missing table is a defect', async () => {
      const batch = sinkBatch(testRows('hive', 1), [moved(await claim(), 1n, [{ first: 0, end: 1 }])])
      await database.query('DROP TABLE readings CASCADE')
      expect(await refusedBatch(sink.commit(store, batch))).to.include({ transient: false, code: '42P01' })
    })

    it('takes rows of many days, old and new, and has no strays', async () => {
      const start = Date.UTC(2019, 5, 1)
      const rows = Array.from({ length: 40 }, (_, day) => ({ device: 'hive', tsMs: start + day * 31 * DAY_MS, temperature: day }))
      expect(await sink.commit(store, sinkBatch(rows, [moved(await claim(), 1n, [{ first: 0, end: 40 }])]))).to.have.property(
        'inserted',
        40,
      )
      await using own = createDatabase({ url: database.url, applicationName: 'test' })
      expect(await own.use(async (session) => (await findBackend(session, backend)).strays(session))).to.equal(0n)
    })
  })
}

for (const backend of ['timescaledb', 'postgres'] as const) {
  readingsSinkConformance(`on ${backend}`, () => openFixture(backend))
  storing(backend)
}
