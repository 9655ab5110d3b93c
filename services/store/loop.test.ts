import { expect } from 'chai'
import fc from 'fast-check'
import type { Claim, SinkResult, TopicPartition } from '../../connectors/contract.ts'
import type { ConsumerName, KafkaRecord, Topic } from '../../processors/contract.ts'
import type { LayoutLookup } from '../../processors/store/layouts.ts'
import { ManualClock, settled } from '../../test/memory/manual-clock.ts'
import { MemoryConsumer } from '../../test/memory/memory-consumer.ts'
import { MemoryDatabase } from '../../test/memory/memory-database.ts'
import { MemoryReadingsSink, type MemoryRow } from '../../test/memory/memory-readings-sink.ts'
import { knownLayout, readingsRecord } from '../../test/memory/readings-records.ts'
import { HeldPartitions } from '../held-partitions.ts'
import { StageClock } from '../stage-clock.ts'
import { createStoreCounters } from './counters.ts'
import { StoreLoop } from './loop.ts'

const STORE = 'store' as ConsumerName
const topic = 'telemetry.readings' as Topic
const zero: TopicPartition = { topic, partition: 0 }
const one: TopicPartition = { topic, partition: 1 }
const BATCH_MS = 200
const BATCH_ROWS = 100
/** The database is asked for what was committed in this time. */
const LOOKS_MS = 5_000
/** Warmer than this the table does not take. */
const HOT = 1_000
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** A store on a database in memory. */
class Rig {
  readonly clock = new ManualClock()
  readonly database = new MemoryDatabase()
  readonly rows = new Map<string, MemoryRow>()
  readonly sink = new MemoryReadingsSink(this.database, this.rows)
  /** Offsets of the records that are too warm. */
  readonly hot = new Set<bigint>()
  readonly consumer = new MemoryConsumer((partition, offset) => readingsRecord(partition, offset, this.hot.has(offset) ? HOT : 20))
  readonly counters = createStoreCounters()
  readonly stopping = new AbortController()
  /** What happened, in order: commits of the database, dead letters. */
  readonly events: string[] = []
  problem: string | null = null
  sending: Promise<void> | undefined
  kafkaAway = false
  /** The database names one bad row at a time. */
  oneByOne = false
  layout: (record: KafkaRecord) => LayoutLookup = () => knownLayout
  readonly loop: StoreLoop

  constructor() {
    this.sink.constraint = (row) => (Buffer.from(row.get('temperature') ?? '', 'hex').readDoubleBE() >= HOT ? 'sane' : undefined)
    this.loop = new StoreLoop({
      stages: new StageClock(this.clock),
      name: STORE,
      sink: {
        commit: async (consumer, batch) => {
          const result = this.shortened(await this.sink.commit(consumer, batch))
          this.events.push(`${result.tag} ${batch.moves.map(({ from, to }) => `${from}–${to}`).join(' ')}`)
          return result
        },
        dryRun: async (batch) => this.shortened(await this.sink.dryRun(batch)),
        lost: (...lost) => this.sink.lost(...lost),
      },
      claim: (partitions) => this.claim(partitions),
      deadLetters: (refused) => {
        this.events.push(`dead ${refused.map(({ record }) => record.offset).join(' ')}`)
        return []
      },
      producer: {
        send: async () => {
          await this.sending
          if (this.kafkaAway) throw new Error('Kafka is away')
          this.events.push('sent')
        },
      },
      prepare: async () => undefined,
      layout: (record) => this.layout(record),
      batchRows: BATCH_ROWS,
      batchMs: BATCH_MS,
      consumer: this.consumer,
      offsets: this.consumer,
      clock: this.clock,
      log: silent,
      signal: this.stopping.signal,
      counters: this.counters,
      held: new HeldPartitions({
        limits: { share: 0.05, minimumDevices: 10, longestMs: 60_000 },
        clock: this.clock,
        log: silent,
        stopped: () => undefined,
        reclaim: () => this.consumer.reclaim(),
      }),
      problem: (what) => {
        this.problem = what
      },
    })
  }

  private shortened(result: SinkResult): SinkResult {
    return result.tag === 'bad-rows' && this.oneByOne ? { ...result, rows: result.rows.slice(0, 1) } : result
  }

  claim(partitions: readonly TopicPartition[], database = this.database): Promise<readonly Claim[]> {
    return database.offsetStore().claim(
      STORE,
      'a',
      partitions.map((each) => ({ ...each, earliest: 0n })),
    )
  }

  assign(...partitions: readonly TopicPartition[]): Promise<void> {
    return this.consumer.assign(this.loop, ...partitions)
  }

  feed(partition: TopicPartition, records: number): Promise<void> {
    return this.consumer.feed(this.loop, partition, records)
  }

  offset(partition = zero): bigint | undefined {
    return this.database.row(STORE, partition)?.next_offset
  }

  /** The last position told of partition 0. */
  told(): bigint | undefined {
    return this.consumer.told.filter(({ partition }) => partition === 0).at(-1)?.nextOffset
  }
}

describe('the store', () => {
  let rig: Rig

  beforeEach(async () => {
    rig = new Rig()
    await rig.assign(zero)
  })

  it('commits rows with their offsets once they have waited long enough, and tells how far it is', async () => {
    await rig.feed(zero, 10)
    await rig.clock.advance(0)
    expect([rig.rows.size, rig.offset(), rig.told()]).to.deep.equal([0, 0n, 0n])
    await rig.clock.advance(BATCH_MS)
    expect([rig.rows.size, rig.offset(), rig.told()]).to.deep.equal([10, 10n, 10n])
  })

  it('commits a full batch at once, and takes no more than the next one meanwhile', async () => {
    const release = rig.database.hold()
    await rig.feed(zero, BATCH_ROWS)
    await rig.feed(zero, BATCH_ROWS)
    let third = false
    const waiting = rig.feed(zero, 1).then(() => {
      third = true
    })
    await settled()
    expect([rig.rows.size, third]).to.deep.equal([0, false])
    release()
    await waiting
    await settled()
    expect([rig.rows.size, rig.offset()]).to.deep.equal([2 * BATCH_ROWS, BigInt(2 * BATCH_ROWS)])
    await rig.clock.advance(BATCH_MS)
    expect(rig.rows.size).to.equal(2 * BATCH_ROWS + 1)
  })

  it('commits what became full during a commit as soon as that is over', async () => {
    const release = rig.database.hold()
    await rig.feed(zero, BATCH_ROWS)
    await rig.feed(zero, BATCH_ROWS)
    release()
    await settled()
    expect(rig.rows.size).to.equal(2 * BATCH_ROWS)
  })

  it('drops the batch that waited for room when its partition is taken away', async () => {
    const release = rig.database.hold()
    await rig.feed(zero, BATCH_ROWS)
    await rig.feed(zero, BATCH_ROWS)
    const waiting = rig.feed(zero, 10)
    await settled()
    const assigning = rig.assign(zero)
    release()
    await Promise.all([waiting, assigning])
    await rig.feed(zero, 1)
    await rig.clock.advance(BATCH_MS)
    expect([rig.counters.fenced, rig.rows.size, rig.offset()]).to.deep.equal([0, BATCH_ROWS + 1, BigInt(BATCH_ROWS + 1)])
  })

  for (const when of ['before-sending', 'after-answer'] as const) {
    it(`stores a batch once if its COMMIT is lost ${when}`, async () => {
      rig.database.cutNext(when)
      await rig.feed(zero, 10)
      await rig.clock.advance(BATCH_MS)
      expect([rig.rows.size, rig.offset(), rig.told(), rig.counters.repeated]).to.deep.equal([10, 10n, 10n, 0])
    })

    it(`stores a batch once if its COMMIT is lost ${when} and the database stays away`, async () => {
      rig.database.cutNext(when, 'down')
      await rig.feed(zero, 10)
      await rig.clock.advance(1_000)
      expect(rig.told()).to.equal(0n)
      expect(rig.problem).to.match(/^committing to the database: /)
      rig.database.away = false
      await rig.clock.advance(10_000)
      expect([rig.rows.size, rig.offset(), rig.told(), rig.counters.repeated]).to.deep.equal([10, 10n, 10n, 0])
      expect(rig.problem).to.equal(null)
    })
  }

  it('waits through an outage with longer and longer pauses, and keeps what it has', async () => {
    rig.database.away = true
    await rig.feed(zero, 10)
    await rig.clock.advance(BATCH_MS + 30_000)
    expect(rig.clock.pauses.map(Math.round)).to.deep.equal([100, 200, 400, 799, 1598, 3197, 4995, 4995, 4995, 4995, 4995])
    expect(rig.counters.retries).to.equal(11)
    rig.database.away = false
    await rig.clock.advance(5_000)
    expect([rig.rows.size, rig.offset()]).to.deep.equal([10, 10n])
  })

  it('asks for its partitions anew once the database has lost what was committed, though nothing more comes', async () => {
    await rig.feed(zero, 10)
    await rig.clock.advance(BATCH_MS)
    await rig.clock.advance(60_000)
    expect(rig.consumer.reclaims, 'while nothing is lost').to.equal(0)
    const row = rig.database.row(STORE, zero)
    if (row === undefined) throw new Error('nothing was claimed')
    row.next_offset = 3n
    await rig.clock.advance(LOOKS_MS)
    expect(rig.consumer.reclaims).to.equal(1)
    await rig.assign(zero)
    expect(rig.consumer.position(zero)).to.equal(3n)
    await rig.clock.advance(60_000)
    expect(rig.consumer.reclaims, 'once it is claimed anew').to.equal(0)
  })

  it('says that the database is away though it has nothing to commit, and nothing of partitions that were taken away', async () => {
    rig.database.away = true
    await rig.clock.advance(LOOKS_MS)
    expect(rig.problem).to.include('the connection was lost')
    rig.database.away = false
    await rig.clock.advance(LOOKS_MS)
    expect(rig.problem).to.equal(null)
    rig.consumer.revoke(rig.loop)
    rig.database.away = true
    await rig.clock.advance(60_000)
    expect(rig.problem).to.equal(null)
  })

  it('writes nothing for partitions that another owner has, drops what it read of them, and asks for them anew', async () => {
    const release = rig.database.hold()
    await rig.feed(zero, BATCH_ROWS)
    await rig.feed(zero, 5)
    await rig.claim([zero], rig.database.again())
    release()
    await rig.clock.advance(BATCH_MS)
    expect([rig.rows.size, rig.offset(), rig.told()]).to.deep.equal([0, 0n, 0n])
    expect([rig.counters.fenced, rig.consumer.reclaims]).to.deep.equal([1, 1])
    await rig.feed(zero, 5)
    await rig.clock.advance(1_000)
    expect([rig.counters.fenced, rig.rows.size]).to.deep.equal([1, 0])
    await rig.assign(zero)
    await rig.feed(zero, 3)
    await rig.clock.advance(BATCH_MS)
    expect([rig.rows.size, rig.offset()]).to.deep.equal([3, 3n])
  })

  it('tells no more of partitions that were taken away in the middle of a commit, though that was done', async () => {
    await rig.feed(zero, 10)
    const release = rig.database.hold()
    await rig.clock.advance(BATCH_MS)
    rig.consumer.revoke(rig.loop)
    release()
    await rig.clock.advance(1_000)
    expect([rig.rows.size, rig.offset(), rig.told()]).to.deep.equal([10, 10n, 0n])
  })

  it('tries no more of a commit whose partitions were taken away during an outage', async () => {
    await rig.feed(zero, 10)
    rig.database.away = true
    await rig.clock.advance(BATCH_MS)
    const attempts = rig.clock.pauses.length
    expect(attempts).to.be.greaterThan(0)
    rig.consumer.revoke(rig.loop)
    rig.database.away = false
    await rig.clock.advance(60_000)
    expect([rig.rows.size, rig.events]).to.deep.equal([0, []])
    expect(rig.clock.pauses).to.have.length(attempts)
  })

  it('drops what was read but not committed when partitions are taken away', async () => {
    await rig.feed(zero, 10)
    await rig.assign(zero, one)
    await rig.feed(one, 2)
    await rig.clock.advance(1_000)
    expect([rig.rows.size, rig.offset(zero), rig.offset(one)]).to.deep.equal([2, 0n, 2n])
  })

  it('takes nothing of a generation that is over', async () => {
    const stale = rig.consumer.batch(zero, 0n, 10)
    const { generation } = rig.consumer
    await rig.assign(zero)
    await rig.loop.handle(stale, generation)
    await rig.clock.advance(1_000)
    expect(rig.rows.size).to.equal(0)
  })

  it('does not use a claim whose partitions were assigned anew before it was answered', async () => {
    const release = rig.database.hold()
    const claiming = rig.loop.claim([zero, one], 7)
    await settled()
    rig.loop.revoked()
    release()
    expect(await claiming).to.deep.equal([])
    await rig.loop.handle(rig.consumer.batch(one, 0n, 10), 7)
    await rig.clock.advance(1_000)
    expect([rig.rows.size, rig.consumer.told.some(({ partition }) => partition === 1)]).to.deep.equal([0, false])
  })

  it('claims until the database answers, and says what it waits for', async () => {
    rig.database.away = true
    const assigning = rig.assign(zero)
    await rig.clock.advance(1_000)
    expect(rig.problem).to.match(/^claiming partitions: /)
    rig.database.away = false
    await rig.clock.advance(5_000)
    await assigning
    expect([rig.problem, rig.consumer.position(zero)]).to.deep.equal([null, 0n])
  })

  it('makes a dead letter of a row that the database refuses, before the offsets move, and stores the others', async () => {
    rig.hot.add(3n)
    await rig.feed(zero, 10)
    await rig.clock.advance(BATCH_MS)
    expect(rig.events).to.deep.equal(['bad-rows 0–10', 'dead 3', 'sent', 'committed 0–10'])
    expect([rig.rows.size, rig.offset(), rig.database.row(STORE, zero)?.dead]).to.deep.equal([9, 10n, 1n])
    expect([...rig.counters.rejected]).to.deep.equal([['row-refused', 1]])
  })

  it('writes no dead letter before it knows all of them: too many would stop the partition', async () => {
    rig.hot.add(3n).add(5n)
    rig.oneByOne = true
    await rig.feed(zero, 10)
    await rig.clock.advance(BATCH_MS)
    expect(rig.events).to.deep.equal(['bad-rows 0–10', 'dead 3 5', 'sent', 'committed 0–10'])
  })

  it('moves no offset past a dead letter that Kafka has not taken', async () => {
    rig.hot.add(0n)
    rig.kafkaAway = true
    await rig.feed(zero, 1)
    await rig.clock.advance(20_000)
    expect([rig.offset(), rig.events.includes('sent')]).to.deep.equal([0n, false])
    rig.kafkaAway = false
    await rig.clock.advance(20_000)
    expect([rig.offset(), rig.events.at(-2), rig.events.at(-1)]).to.deep.equal([1n, 'sent', 'committed 0–1'])
  })

  it('writes its dead letters once, though COMMIT fails after them', async () => {
    rig.hot.add(3n)
    await rig.feed(zero, 10)
    rig.database.cutNext('before-sending', 'down')
    await rig.clock.advance(BATCH_MS)
    rig.database.away = false
    await rig.clock.advance(10_000)
    expect(rig.events.filter((event) => event === 'sent')).to.have.length(1)
    expect(rig.offset()).to.equal(10n)
  })

  it('commits a batch that is too much for the database in parts, and all of it', async () => {
    rig.sink.mostRows = 30
    await rig.feed(zero, BATCH_ROWS)
    await rig.clock.advance(BATCH_MS)
    expect([rig.rows.size, rig.offset(), rig.told()]).to.deep.equal([BATCH_ROWS, 100n, 100n])
  })

  it('leaves a partition before a record that only a newer store can take, and stores what came before', async () => {
    rig.layout = (record) => (record.offset >= 4n ? { tag: 'newer', fields: ['pressure'] } : knownLayout)
    await rig.feed(zero, 10)
    expect([rig.rows.size, rig.offset()]).to.deep.equal([4, 4n])
    expect(rig.consumer.reclaims).to.equal(1)
    await rig.assign(zero, one)
    expect([rig.consumer.position(zero), rig.consumer.position(one)]).to.deep.equal([undefined, 0n])
  })

  it('commits what it has when it stops, and what is under way', async () => {
    const release = rig.database.hold()
    await rig.feed(zero, BATCH_ROWS)
    await rig.feed(zero, 5)
    let drained = false
    const draining = rig.loop.drain().then(() => {
      drained = true
    })
    await settled()
    expect(drained).to.equal(false)
    release()
    await draining
    expect([rig.rows.size, rig.offset(), rig.told()]).to.deep.equal([BATCH_ROWS + 5, 105n, 105n])
  })

  it('stores every record once, and is never told to be further than its rows, whatever happens', async () => {
    const happening = fc.oneof(
      fc.record({ tag: fc.constant('feed' as const), partition: fc.nat(1), records: fc.integer({ min: 1, max: 150 }) }),
      fc.record({ tag: fc.constant('wait' as const), ms: fc.nat(2_000) }),
      fc.record({ tag: fc.constant('cut' as const), after: fc.boolean(), down: fc.boolean() }),
      fc.constant({ tag: 'up' as const }),
      fc.constant({ tag: 'other owner' as const }),
      fc.constant({ tag: 'assign' as const }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(happening, { maxLength: 25 }), async (happenings) => {
        const { loop, database, consumer, clock, rows, counters } = new Rig()
        const under = (work: Promise<void>): void => void work.catch(() => undefined)
        const check = (): void => {
          const stored = [0, 1].map(
            (partition) => [...rows.keys()].filter((key) => key.startsWith(Buffer.from(`hive-${partition}`).toString('hex'))).length,
          )
          for (const [partition, count] of stored.entries())
            expect(Number(database.row(STORE, { topic, partition })?.next_offset ?? 0n), 'offset and rows').to.equal(count)
          for (const { topic: of, partition, nextOffset } of consumer.told)
            expect(nextOffset <= (database.row(STORE, { topic: of, partition })?.next_offset ?? 0n), 'told and offset').to.equal(true)
        }
        under(consumer.assign(loop, zero, one))
        for (const each of happenings) {
          if (each.tag === 'feed') under(consumer.feed(loop, { topic, partition: each.partition }, each.records))
          else if (each.tag === 'cut') database.cutNext(each.after ? 'after-answer' : 'before-sending', each.down ? 'down' : undefined)
          else if (each.tag === 'up') database.away = false
          else if (each.tag === 'assign' || consumer.reclaims > 0) under(consumer.assign(loop, zero, one))
          else if (each.tag === 'other owner')
            await database
              .again()
              .offsetStore()
              .claim(STORE, 'a', [{ ...zero, earliest: 0n }])
          await clock.advance(each.tag === 'wait' ? each.ms : 0)
          check()
        }
        database.up()
        await clock.advance(60_000)
        under(consumer.assign(loop, zero, one))
        await clock.advance(10_000)
        for (const partition of [zero, one]) await consumer.feed(loop, partition, 10)
        await clock.advance(10_000)
        check()
        expect(counters.repeated).to.equal(0)
        expect(consumer.position(zero)).to.equal(database.row(STORE, zero)?.next_offset)
      }),
      { numRuns: 40 },
    )
  })
})
