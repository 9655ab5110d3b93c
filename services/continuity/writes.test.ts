import { expect } from 'chai'
import fc from 'fast-check'
import type { TopicPartition } from '../../connectors/contract.ts'
import { CONTINUITY } from '../../processors/continuity/declaration.ts'
import type { ConsumerName, KafkaRecord } from '../../processors/contract.ts'
import type { DeadLetter } from '../../processors/dead-letter.ts'
import { topics } from '../../processors/topics.ts'
import { ManualClock, settled } from '../../test/memory/manual-clock.ts'
import { MemoryConsumer } from '../../test/memory/memory-consumer.ts'
import { MemoryContinuityStore } from '../../test/memory/memory-continuity-store.ts'
import { MemoryDatabase } from '../../test/memory/memory-database.ts'
import { RECEIVED_MS, readingsRecord } from '../../test/memory/readings-records.ts'
import { StageClock } from '../stage-clock.ts'
import { createContinuityCounters } from './counters.ts'
import { ContinuityLoop } from './loop.ts'
import { STORE_DEAD } from './state.ts'

const STORE = 'store' as ConsumerName
const READINGS_ID = 'a'.repeat(32)
const FLUSH_MS = 5_000
const POLL_MS = 1_000
const readings: TopicPartition = { topic: topics.readings, partition: 0 }
const dead: TopicPartition = { topic: STORE_DEAD, partition: 0 }
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** A dead letter of the store about the readings at an offset. */
function deadLetterOf(offset: bigint): DeadLetter {
  return {
    source_topic: topics.readings,
    source_partition: 0,
    source_offset: Number(offset),
    source_timestamp: RECEIVED_MS,
    key: Buffer.from('hive-0'),
    value: readingsRecord(readings, offset).value,
    records: [],
    samples: [],
    quantities: [],
    reason: 'row-refused',
    detail: '',
    processor: 'store',
    processor_version: '0',
    attempt: 1,
    first_failed: RECEIVED_MS,
    last_failed: RECEIVED_MS,
  }
}

/** A ledger of the frames of one device, whose numbers are the offsets of their readings. */
class Rig {
  readonly clock = new ManualClock()
  readonly database = new MemoryDatabase()
  readonly store = new MemoryContinuityStore(this.database)
  readonly counters = createContinuityCounters()
  /** Offsets of readings that a dead letter is about, in the order of the dead letters. */
  readonly refused: bigint[] = []
  readonly consumer = new MemoryConsumer(
    (partition, offset): KafkaRecord =>
      partition.topic === topics.readings
        ? readingsRecord(partition, offset)
        : { key: Buffer.from('hive-0'), value: Buffer.from(String(offset)), timestampMs: RECEIVED_MS, offset },
  )
  readonly stopping = new AbortController()
  problem: string | null = null
  readonly loop = new ContinuityLoop({
    stages: new StageClock(this.clock),
    name: CONTINUITY,
    reads: [topics.readings, STORE_DEAD],
    store: this.store,
    claim: (partitions) =>
      this.database.offsetStore().claim(
        CONTINUITY,
        READINGS_ID,
        partitions.map((each) => ({ ...each, earliest: 0n })),
      ),
    logs: {
      topics: async () => new Map([topics.readings, STORE_DEAD].map((topic) => [topic, { id: READINGS_ID, partitions: 1 }])),
      extents: async (topic) => [{ partition: 0, earliest: 0n, end: topic === STORE_DEAD ? BigInt(this.refused.length) : 0n }],
      check: async (positions) => positions.map((position) => ({ position, change: null })),
      async [Symbol.asyncDispose]() {},
    },
    prepare: async () => undefined,
    schemas: { firmware: () => ({ tag: 'unknown' }), firmwareOf: () => ({ tag: 'unknown' }) },
    devices: { ask: async () => undefined, has: () => true },
    decode: (value) => deadLetterOf(this.refused[Number(String(value))] as bigint),
    flushMs: FLUSH_MS,
    pollMs: POLL_MS,
    consumer: this.consumer,
    offsets: this.consumer,
    clock: this.clock,
    log: silent,
    signal: this.stopping.signal,
    counters: this.counters,
    problem: (what) => {
      this.problem = what
    },
  })

  async storeIsAt(nextOffset: bigint): Promise<void> {
    const offsets = this.database.again().offsetStore()
    const [claim] = await offsets.claim(STORE, READINGS_ID, [{ ...readings, earliest: 0n }])
    if (claim !== undefined) await offsets.reposition(STORE, [{ ...claim, nextOffset, leaderEpoch: 0 }])
  }

  async assign(...partitions: readonly TopicPartition[]): Promise<void> {
    const assigning = this.consumer.assign(this.loop, ...partitions)
    await settled()
    await assigning
  }

  /** Hands records on, and lets the loop wait for the store as long as it does. */
  async feed(partition: TopicPartition, records: number): Promise<void> {
    const feeding = this.consumer.feed(this.loop, partition, records)
    await this.clock.advance(POLL_MS)
    await feeding
  }

  offset(partition = readings): bigint | undefined {
    return this.database.row(CONTINUITY, partition)?.next_offset
  }

  /** Frames that are stored according to what was written. */
  frames(): number {
    return this.store.boots.get('hive-0/1')?.stored.size ?? 0
  }

  told(): bigint | undefined {
    return this.consumer.told.filter(({ topic }) => topic === topics.readings).at(-1)?.nextOffset
  }
}

describe('the ledger of frames, as it is written', () => {
  let rig: Rig

  beforeEach(async () => {
    rig = new Rig()
    await rig.storeIsAt(0n)
    await rig.assign(readings, dead)
  })

  afterEach(() => rig.stopping.abort())

  it('has the frames that the store has committed, with the offsets up to there', async () => {
    await rig.storeIsAt(6n)
    await rig.feed(readings, 10)
    await rig.clock.advance(FLUSH_MS)
    expect([rig.frames(), rig.offset(), rig.told()]).to.deep.equal([6, 6n, 6n])
    expect(rig.consumer.paused.has(`${topics.readings}/0`)).to.equal(true)
    await rig.storeIsAt(10n)
    await rig.clock.advance(POLL_MS + FLUSH_MS)
    expect([rig.frames(), rig.offset(), rig.told()]).to.deep.equal([10, 10n, 10n])
    expect(rig.consumer.paused.size).to.equal(0)
  })

  it("counts the store's position only once its dead letters are read up to where they were", async () => {
    rig.refused.push(3n)
    await rig.storeIsAt(10n)
    await rig.feed(readings, 10)
    await rig.clock.advance(FLUSH_MS)
    expect([rig.frames(), rig.offset()]).to.deep.equal([0, 0n])
    await rig.feed(dead, 1)
    await rig.clock.advance(FLUSH_MS)
    expect([rig.frames(), rig.offset(), rig.offset(dead)]).to.deep.equal([9, 10n, 1n])
    expect(rig.store.boots.get('hive-0/1')?.dead.ranges()).to.deep.equal([{ first: 3, last: 3 }])
  })

  it('takes readings that waited for dead letters together with those', async () => {
    rig.refused.push(3n)
    await rig.storeIsAt(10n)
    await rig.feed(readings, 10)
    expect(rig.counters.readings).to.equal(0)
    const feeding = rig.consumer.feed(rig.loop, dead, 1)
    await settled()
    expect(rig.counters.readings).to.equal(10)
    await feeding
  })

  it('is written by one transaction at a time', async () => {
    await rig.storeIsAt(10n)
    await rig.feed(readings, 10)
    await Promise.all([rig.loop.drain(), rig.loop.drain()])
    expect([rig.counters.commits, rig.offset()]).to.deep.equal([1, 10n])
  })

  it('reads dead letters again whose readings were not taken before it ended', async () => {
    rig.refused.push(7n)
    await rig.feed(dead, 1)
    await rig.storeIsAt(5n)
    await rig.feed(readings, 10)
    await rig.clock.advance(FLUSH_MS)
    expect([rig.offset(), rig.offset(dead)]).to.deep.equal([5n, 0n])
    await rig.storeIsAt(10n)
    await rig.clock.advance(POLL_MS + FLUSH_MS)
    expect([rig.offset(), rig.offset(dead), rig.frames()]).to.deep.equal([10n, 1n, 9])
  })

  it('adds to what was written of a boot before', async () => {
    await rig.storeIsAt(20n)
    await rig.feed(readings, 10)
    await rig.clock.advance(FLUSH_MS)
    await rig.assign(readings, dead)
    await rig.feed(readings, 10)
    await rig.clock.advance(FLUSH_MS)
    expect([rig.frames(), rig.offset()]).to.deep.equal([20, 20n])
  })

  for (const when of ['before-sending', 'after-answer'] as const) {
    it(`is written once if its COMMIT is lost ${when} and the database stays away`, async () => {
      await rig.storeIsAt(10n)
      await rig.feed(readings, 10)
      rig.database.cutNext(when, 'down')
      await rig.clock.advance(FLUSH_MS)
      expect(rig.told()).to.equal(0n)
      expect(rig.problem).not.to.equal(null)
      rig.database.up()
      await rig.clock.advance(FLUSH_MS)
      expect([rig.frames(), rig.offset(), rig.told(), rig.problem]).to.deep.equal([10, 10n, 10n, null])
      expect(rig.counters).to.include({ commits: 1, fenced: 0 })
    })
  }

  it('waits through an outage, and goes on with what it had', async () => {
    await rig.storeIsAt(10n)
    await rig.feed(readings, 10)
    rig.database.away = true
    await rig.clock.advance(60_000)
    expect(rig.counters.retries).to.be.greaterThan(5)
    rig.database.up()
    await rig.clock.advance(2 * FLUSH_MS)
    expect([rig.frames(), rig.offset(), rig.told()]).to.deep.equal([10, 10n, 10n])
  })

  it('is not written by who has lost a partition: it asks for its partitions anew', async () => {
    await rig.storeIsAt(10n)
    await rig.feed(readings, 10)
    await rig.database
      .again()
      .offsetStore()
      .claim(CONTINUITY, READINGS_ID, [{ ...readings, earliest: 0n }])
    await rig.clock.advance(FLUSH_MS)
    expect([rig.frames(), rig.offset(), rig.told()]).to.deep.equal([0, 0n, 0n])
    expect([rig.counters.fenced, rig.consumer.reclaims]).to.deep.equal([1, 1])
    await rig.clock.advance(4 * FLUSH_MS)
    expect([rig.counters.fenced, rig.loop.boots()]).to.deep.equal([1, 0])
    await rig.assign(readings, dead)
    await rig.feed(readings, 4)
    await rig.clock.advance(FLUSH_MS)
    expect([rig.frames(), rig.offset()]).to.deep.equal([4, 4n])
  })

  it('is told to nobody if the partitions were taken away in the middle of a commit, though that was done', async () => {
    await rig.storeIsAt(10n)
    await rig.feed(readings, 10)
    const release = rig.database.hold()
    await rig.clock.advance(FLUSH_MS)
    rig.consumer.revoke(rig.loop)
    release()
    await rig.clock.advance(FLUSH_MS)
    expect([rig.frames(), rig.offset(), rig.told()]).to.deep.equal([10, 10n, 0n])
  })

  it('is not written after its partitions were taken away during an outage', async () => {
    await rig.storeIsAt(10n)
    await rig.feed(readings, 10)
    rig.database.away = true
    await rig.clock.advance(FLUSH_MS)
    rig.consumer.revoke(rig.loop)
    rig.database.up()
    await rig.clock.advance(60_000)
    expect([rig.frames(), rig.offset(), rig.loop.boots()]).to.deep.equal([0, 0n, 0])
  })

  it('takes nothing of a generation that is over', async () => {
    await rig.storeIsAt(10n)
    const stale = rig.consumer.batch(readings, 0n, 10)
    const { generation } = rig.consumer
    await rig.assign(readings, dead)
    await rig.loop.handle(stale, generation)
    await rig.clock.advance(POLL_MS + FLUSH_MS)
    expect([rig.frames(), rig.loop.boots()]).to.deep.equal([0, 0])
  })

  it('does not use a claim whose partitions were assigned anew before it was answered', async () => {
    rig.consumer.revoke(rig.loop)
    const told = rig.consumer.told.length
    const release = rig.database.hold()
    const claiming = rig.loop.claim([readings], 7)
    await settled()
    rig.loop.revoked()
    release()
    expect(await claiming).to.deep.equal([])
    await rig.loop.handle(rig.consumer.batch(readings, 0n, 10), 7)
    expect([rig.consumer.told.length, rig.loop.boots()]).to.deep.equal([told, 0])
  })

  it('is written when the service stops, whatever the time', async () => {
    await rig.storeIsAt(10n)
    await rig.feed(readings, 10)
    expect(rig.offset()).to.equal(0n)
    await rig.loop.drain()
    expect([rig.frames(), rig.offset(), rig.told()]).to.deep.equal([10, 10n, 10n])
  })

  it('waits for what is being written, and writes what came since, when the service stops', async () => {
    await rig.storeIsAt(20n)
    await rig.feed(readings, 10)
    const release = rig.database.hold()
    await rig.clock.advance(FLUSH_MS)
    const draining = rig.loop.drain()
    await settled()
    expect(rig.offset()).to.equal(0n)
    release()
    await draining
    expect([rig.frames(), rig.offset()]).to.deep.equal([10, 10n])
  })

  it('has a frame for each offset below its own, and none of those above, whatever happens', async () => {
    const happening = fc.oneof(
      fc.record({ tag: fc.constant('feed' as const), records: fc.integer({ min: 1, max: 20 }) }),
      fc.record({ tag: fc.constant('store' as const), by: fc.nat(20) }),
      fc.record({ tag: fc.constant('wait' as const), ms: fc.nat(8_000) }),
      fc.record({ tag: fc.constant('cut' as const), after: fc.boolean(), down: fc.boolean() }),
      fc.constant({ tag: 'up' as const }),
      fc.constant({ tag: 'other owner' as const }),
      fc.constant({ tag: 'assign' as const }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(happening, { maxLength: 25 }), async (happenings) => {
        const own = new Rig()
        const { loop, database, consumer, clock } = own
        const under = (work: Promise<void>): void => void work.catch(() => undefined)
        let store = 0n
        const check = (): void => {
          expect(own.frames(), 'offset and frames').to.equal(Number(own.offset() ?? 0n))
          for (const told of consumer.told) expect(told.nextOffset <= (own.offset(told) ?? 0n), 'told and offset').to.equal(true)
          expect((own.offset() ?? 0n) <= store, 'not ahead of the store').to.equal(true)
        }
        under(consumer.assign(loop, readings, dead))
        await clock.advance(0)
        for (const each of happenings) {
          if (each.tag === 'feed') under(consumer.feed(loop, readings, each.records))
          else if (each.tag === 'store') {
            store += BigInt(each.by)
            await own.storeIsAt(store)
          } else if (each.tag === 'cut') database.cutNext(each.after ? 'after-answer' : 'before-sending', each.down ? 'down' : undefined)
          else if (each.tag === 'up') database.away = false
          else if (each.tag === 'assign' || consumer.reclaims > 0) under(consumer.assign(loop, readings, dead))
          else if (each.tag === 'other owner')
            await database
              .again()
              .offsetStore()
              .claim(CONTINUITY, READINGS_ID, [{ ...readings, earliest: 0n }])
          await clock.advance(each.tag === 'wait' ? each.ms : 0)
          check()
        }
        database.up()
        await clock.advance(30_000)
        under(consumer.assign(loop, readings, dead))
        await clock.advance(10_000)
        store = (own.offset() ?? 0n) + 10n
        await own.storeIsAt(store)
        under(consumer.feed(loop, readings, 10))
        await clock.advance(30_000)
        check()
        expect(own.offset()).to.equal(store)
        own.stopping.abort()
      }),
      { numRuns: 40 },
    )
  })
})
