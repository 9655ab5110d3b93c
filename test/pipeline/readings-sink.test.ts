import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { type Claim, ConnectorError, type Log, type OffsetMove, type RowRange, type SinkResult } from '../../connectors/contract.ts'
import type { BackendName } from '../../connectors/postgres/backend.ts'
import { migrateTelemetry } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import { createReadingsSink, type PostgresReadingsSink } from '../../connectors/postgres/readings-sink.ts'
import type { ConsumerName, Topic } from '../../processors/contract.ts'
import type { ConflictPolicy } from '../../processors/store/merge-columns.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import { type CuttingProxy, cuttingProxy } from './cutting-proxy.ts'
import { sinkBatch, testRows } from './readings-batch.ts'
import { type ScratchDatabase, scratchDatabase } from './scratch-database.ts'

const store = 'store' as ConsumerName
const topic = 'telemetry.readings' as Topic
const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }
const DAY_MS = 86_400_000

const committed = (inserted: number, repeated = 0, merged = 0): SinkResult => ({
  tag: 'committed',
  inserted,
  merged,
  repeated,
  conflicts: [],
})

function storing(backend: BackendName): void {
  describe(`the readings sink on ${backend}`, () => {
    let database: ScratchDatabase
    let proxy: CuttingProxy
    let sink: PostgresReadingsSink
    const sinks: PostgresReadingsSink[] = []

    const open = (url: string, conflicts: ConflictPolicy = 'first'): PostgresReadingsSink => {
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
    const offsets = () => database.query('SELECT partition, next_offset, stored, repeated, dead FROM consumer_offset ORDER BY partition')
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
      proxy = await cuttingProxy(database.url)
      sink = open(proxy.url)
      await sink.keepReady(Date.UTC(2026, 10, 23))
    })

    afterEach(async () => {
      for (const opened of sinks.splice(0)) await opened[Symbol.asyncDispose]()
      await proxy[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
    })

    it('starts a consumer without an offset, and one that committed where it left off', async () => {
      const first = await claim()
      expect(first).to.deep.equal({ topic, partition: 0, epoch: 1n, nextOffset: 0n, leaderEpoch: -1, origin: 'first' })
      await sink.commit(store, sinkBatch(testRows('hive', 3), [moved(first, 7n, [{ first: 0, end: 3 }])]))
      expect(await claim()).to.deep.equal({ ...first, epoch: 2n, nextOffset: 7n, leaderEpoch: 4, origin: 'kept' })
    })

    it('commits rows, offsets and counts together', async () => {
      const result = await sink.commit(
        store,
        sinkBatch(testRows('hive', 100), [
          moved(await claim(sink, 0), 5n, [
            { first: 0, end: 30 },
            { first: 60, end: 100 },
          ]),
          moved(await claim(sink, 1), 9n, [{ first: 30, end: 60 }], 2),
        ]),
      )
      expect(result).to.deep.equal(committed(100, 0))
      expect(await offsets()).to.deep.equal([
        { partition: 0, next_offset: 5n, stored: 70n, repeated: 0n, dead: 0n },
        { partition: 1, next_offset: 9n, stored: 30n, repeated: 0n, dead: 2n },
      ])
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

    it('moves offsets if every record was a dead letter', async () => {
      expect(await sink.commit(store, sinkBatch([], [moved(await claim(), 4n, [], 4)]))).to.deep.equal(committed(0, 0))
      expect(await offsets()).to.deep.equal([{ partition: 0, next_offset: 4n, stored: 0n, repeated: 0n, dead: 4n }])
    })

    it('counts repeats for the partition that they came from, on the first batch that has some and on the next', async () => {
      const [one, two] = [await claim(sink, 0), await claim(sink, 1)]
      await sink.commit(store, sinkBatch(testRows('hive', 10), [moved(one, 1n, [{ first: 0, end: 10 }])]))
      const next = { ...one, nextOffset: 1n }
      const overlapping = [...testRows('hive', 12), ...testRows('mast', 5), ...testRows('hive', 4, DAY_MS)]
      const ranges = [
        moved(next, 1n, [
          { first: 0, end: 12 },
          { first: 17, end: 21 },
        ]),
        moved(two, 1n, [{ first: 12, end: 17 }]),
      ]
      expect(await sink.commit(store, sinkBatch(overlapping, ranges))).to.deep.equal(committed(11, 10))
      const again = { ...one, nextOffset: 2n }
      expect(await sink.commit(store, sinkBatch(testRows('hive', 13), [moved(again, 1n, [{ first: 0, end: 13 }])]))).to.deep.equal(
        committed(1, 12),
      )
      expect(await offsets()).to.deep.equal([
        { partition: 0, next_offset: 3n, stored: 17n, repeated: 22n, dead: 0n },
        { partition: 1, next_offset: 1n, stored: 5n, repeated: 0n, dead: 0n },
      ])
      expect(await stored()).to.equal(22n)
    })

    it('takes a row that is twice in one batch once', async () => {
      const rows = [...testRows('hive', 5), ...testRows('hive', 5)]
      expect(await sink.commit(store, sinkBatch(rows, [moved(await claim(), 1n, [{ first: 0, end: 10 }])]))).to.deep.equal(committed(5, 5))
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

    it('refuses an owner that lost one of its partitions, and writes nothing of its batch', async () => {
      const older = open(database.url)
      const [one, two] = [await claim(older, 0), await claim(older, 1)]
      const newer = await claim(sink, 1)
      const ranges = [moved(one, 1n, [{ first: 0, end: 5 }]), moved(two, 1n, [{ first: 5, end: 10 }])]
      expect(await older.commit(store, sinkBatch(testRows('hive', 10), ranges))).to.deep.equal({
        tag: 'fenced',
        partitions: [{ topic, partition: 1 }],
      })
      expect(await stored()).to.equal(0n)
      expect(await sink.commit(store, sinkBatch(testRows('hive', 1), [moved(newer, 1n, [{ first: 0, end: 1 }])]))).to.have.property(
        'tag',
        'committed',
      )
    })

    it('refuses offsets that do not follow on those committed', async () => {
      const claimed = await claim()
      await sink.commit(store, sinkBatch([], [moved(claimed, 5n, [])]))
      const skipping = moved({ ...claimed, nextOffset: 6n }, 1n, [])
      expect(await sink.commit(store, sinkBatch([], [skipping]))).to.deep.equal({ tag: 'fenced', partitions: [{ topic, partition: 0 }] })
    })

    it('does not go on at the offset of a topic that was recreated', async () => {
      const claimed = await claim()
      await sink.commit(store, sinkBatch(testRows('hive', 3), [moved(claimed, 100n, [{ first: 0, end: 3 }])]))
      const anew = [{ topic, partition: 0, earliest: 12n }]
      const recreated = await sink.claim(store, 'topic-2', anew)
      expect(recreated).to.deep.equal([{ topic, partition: 0, epoch: 2n, nextOffset: 12n, leaderEpoch: -1, origin: 'recreated' }])
      expect(await sink.claim(store, 'topic-2', anew)).to.deep.equal([{ ...recreated[0], epoch: 3n, origin: 'kept' }])
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

    it('refuses a batch whose moves do not have all its rows', async () => {
      const batch = sinkBatch(testRows('hive', 2), [moved(await claim(), 1n, [{ first: 0, end: 1 }])])
      const error = await sink.commit(store, batch).catch((cause: unknown) => cause)
      expect(error).to.be.instanceOf(RangeError)
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

    it('commits once when the connection is cut before COMMIT arrives', async () => {
      const batch = sinkBatch(testRows('hive', 100), [moved(await claim(), 1n, [{ first: 0, end: 100 }])])
      proxy.cutNext('COMMIT', 'before-sending')
      expect(await sink.commit(store, batch)).to.deep.equal(committed(100, 0))
      expect(await offsets()).to.deep.equal([{ partition: 0, next_offset: 1n, stored: 100n, repeated: 0n, dead: 0n }])
      expect(await stored()).to.equal(100n)
    })

    it('knows that it committed when the connection is cut before the answer to COMMIT, with its counts', async () => {
      const claimed = await claim()
      await sink.commit(store, sinkBatch(testRows('hive', 40), [moved(claimed, 1n, [{ first: 0, end: 40 }])]))
      const batch = sinkBatch(testRows('hive', 100), [moved({ ...claimed, nextOffset: 1n }, 1n, [{ first: 0, end: 100 }])])
      proxy.cutNext('COMMIT', 'after-answer')
      expect(await sink.commit(store, batch)).to.deep.equal(committed(60, 40))
      expect(await offsets()).to.deep.equal([{ partition: 0, next_offset: 2n, stored: 100n, repeated: 40n, dead: 0n }])
      expect(await stored()).to.equal(100n)
    })

    it('still knows that it committed when the database comes back much later', async () => {
      const batch = sinkBatch(testRows('hive', 10), [moved(await claim(), 1n, [{ first: 0, end: 10 }])])
      proxy.cutNext('COMMIT', 'after-answer', 'down')
      expect(await refusedBatch(sink.commit(store, batch))).to.have.property('transient', true)
      expect(await refusedBatch(sink.commit(store, batch))).to.have.property('transient', true)
      proxy.up()
      expect(await sink.commit(store, batch)).to.deep.equal(committed(10, 0))
      expect(await stored()).to.equal(10n)
    })

    it('is fenced when another owner went on after a lost COMMIT, even to the same offset', async () => {
      const batch = sinkBatch(testRows('hive', 10), [moved(await claim(), 1n, [{ first: 0, end: 10 }])])
      proxy.cutNext('COMMIT', 'before-sending', 'down')
      expect(await refusedBatch(sink.commit(store, batch))).to.have.property('transient', true)
      const other = open(database.url)
      const rows = [{ first: 0, end: 10 }]
      expect(await other.commit(store, sinkBatch(testRows('hive', 10), [moved(await claim(other), 1n, rows)]))).to.have.property(
        'inserted',
        10,
      )
      proxy.up()
      expect(await sink.commit(store, batch)).to.deep.equal({ tag: 'fenced', partitions: [{ topic, partition: 0 }] })
      expect(await offsets()).to.deep.equal([{ partition: 0, next_offset: 1n, stored: 10n, repeated: 0n, dead: 0n }])
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
      await database.query('DROP TABLE readings')
      expect(await refusedBatch(sink.commit(store, batch))).to.include({ transient: false, code: '42P01' })
    })

    it('takes rows of many days, old and new, and has no strays', async () => {
      const start = Date.UTC(2019, 5, 1)
      const rows = Array.from({ length: 40 }, (_, day) => ({ device: 'hive', tsMs: start + day * 31 * DAY_MS, temperature: day }))
      expect(await sink.commit(store, sinkBatch(rows, [moved(await claim(), 1n, [{ first: 0, end: 40 }])]))).to.have.property(
        'inserted',
        40,
      )
      expect(await sink.keepReady(Date.now())).to.equal(0n)
    })
  })
}

storing('timescaledb')
storing('postgres')
