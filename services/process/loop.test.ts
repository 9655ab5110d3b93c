import { expect } from 'chai'
import fc from 'fast-check'
import type { Claim, TopicPartition } from '../../connectors/contract.ts'
import { type ConsumerName, drop, type KafkaRecord, type Lookups, reject, type Topic } from '../../processors/contract.ts'
import { defineProcess } from '../../processors/process.ts'
import { MalformedError } from '../../schemas/frame-reader.ts'
import { ManualClock, settled } from '../../test/memory/manual-clock.ts'
import { MemoryConsumer } from '../../test/memory/memory-consumer.ts'
import { MemoryDatabase } from '../../test/memory/memory-database.ts'
import { MemoryProcessRunner } from '../../test/memory/memory-process-runner.ts'
import { PartitionGuard } from '../partition-guard.ts'
import { StageClock } from '../stage-clock.ts'
import { ProcessLoop } from './loop.ts'

const NAME = 'sums' as ConsumerName
const topic = 'device.status' as Topic
const zero: TopicPartition = { topic, partition: 0 }
const one: TopicPartition = { topic, partition: 1 }
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
const lookups: Lookups = {
  firmware: () => ({ tag: 'unknown' }),
  assignments: () => undefined,
  anchor: () => Number.NaN,
  schema: () => undefined,
  speaksFor: () => false,
  dialect: () => undefined,
}

/**
 * Counts the records of each device; a record may say that it is refused, or is nothing to read.
 */
const counting = defineProcess<unknown>({
  from: {
    topic,
    decode({ value }, _lookups, emit, leaveOut) {
      if (String(value) === 'garbage') throw new MalformedError('expected a word')
      if (String(value) === 'silence') leaveOut?.('silence')
      else emit(String(value), 0)
    },
  },
  database: 'app',
  order: 'as-they-came',
  time: () => 0,
  needs: [],
  reasons: { rude: { means: 'A rude word.', whatToDo: 'Nothing.' } },
  async handle(device, items, tx) {
    for (const item of items) {
      await tx.query('', [device])
      if (item === 'rude') return reject('rude', 'a rude word')
      if (item === 'dull') return drop('dull')
    }
    return undefined
  },
})

class Rig {
  readonly clock = new ManualClock()
  readonly database = new MemoryDatabase()
  readonly runner = new MemoryProcessRunner(this.database, (table, [device]) => {
    table.set(String(device), (table.get(String(device)) ?? 0n) + 1n)
  })
  /** What the record at an offset says. */
  readonly words = new Map<bigint, string>()
  /** Devices of a partition: a record belongs to the one of its offset. */
  devices = 1
  readonly consumer = new MemoryConsumer(
    ({ partition }, offset): KafkaRecord => ({
      key: Buffer.from(`hive-${partition}-${Number(offset) % this.devices}`),
      value: Buffer.from(this.words.get(offset) ?? 'fine'),
      timestampMs: 0,
      offset,
    }),
  )
  readonly counters = {
    records: 0,
    commits: 0,
    retries: 0,
    fenced: 0,
    dropped: new Map<string, number>(),
    rejected: new Map<string, number>(),
  }
  readonly events: string[] = []
  readonly stopped = new Map<string, string>()
  problem: string | null = null
  kafkaAway = false
  readonly loop: ProcessLoop

  constructor() {
    this.loop = new ProcessLoop({
      stages: new StageClock(this.clock),
      name: NAME,
      businessProcess: counting,
      runner: {
        commit: async (consumer, businessProcess, batch) => {
          const result = await this.runner.commit(consumer, businessProcess, batch)
          this.events.push(`${result.tag} ${batch.moves.map(({ from, to }) => `${from}–${to}`).join(' ')}`)
          return result
        },
        dryRun: (...dryRun) => this.runner.dryRun(...dryRun),
        lost: (...lost) => this.runner.lost(...lost),
      },
      lookups,
      prepare: async () => undefined,
      claim: (partitions) => this.claim(partitions),
      producer: {
        send: async () => {
          if (this.kafkaAway) throw new Error('Kafka is away')
          this.events.push('sent')
        },
      },
      deadLetters: (refused) => {
        this.events.push(`dead ${refused.map(({ record }) => record.offset).join(' ')}`)
        return []
      },
      guard: new PartitionGuard({
        limits: { share: 0.05, minimumDevices: 10, longestMs: 60_000 },
        clock: this.clock,
        log: silent,
        stopped: (partition, why) => (why === null ? this.stopped.delete(partition) : this.stopped.set(partition, why)),
      }),
      consumer: this.consumer,
      offsets: this.consumer,
      clock: this.clock,
      log: silent,
      signal: new AbortController().signal,
      counters: this.counters,
      problem: (what) => {
        this.problem = what
      },
    })
  }

  claim(partitions: readonly TopicPartition[], database = this.database): Promise<readonly Claim[]> {
    return database.offsetStore().claim(
      NAME,
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
    return this.database.row(NAME, partition)?.next_offset
  }

  /** Records that the process has counted. */
  counted(): number {
    return [...this.runner.table.values()].reduce((sum, count) => sum + Number(count), 0)
  }

  told(): bigint | undefined {
    return this.consumer.told.filter(({ partition }) => partition === 0).at(-1)?.nextOffset
  }
}

describe('a business process', () => {
  let rig: Rig

  beforeEach(async () => {
    rig = new Rig()
    await rig.assign(zero)
  })

  it('commits a batch with its offsets before the next one of its partition comes, and tells how far it is', async () => {
    await rig.feed(zero, 10)
    expect([rig.counted(), rig.offset(), rig.told()]).to.deep.equal([10, 10n, 10n])
    expect(rig.counters).to.include({ records: 10, commits: 1 })
  })

  for (const when of ['before-sending', 'after-answer'] as const) {
    it(`does a batch once if its COMMIT is lost ${when} and the database stays away`, async () => {
      rig.database.cutNext(when, 'down')
      const feeding = rig.feed(zero, 10)
      await rig.clock.advance(1_000)
      expect(rig.told()).to.equal(0n)
      expect(rig.problem).to.match(/^committing to the app database: /)
      rig.database.up()
      await rig.clock.advance(10_000)
      await feeding
      expect([rig.counted(), rig.offset(), rig.told(), rig.problem]).to.deep.equal([10, 10n, 10n, null])
    })
  }

  it('waits through an outage with longer and longer pauses', async () => {
    rig.database.away = true
    const feeding = rig.feed(zero, 10)
    await rig.clock.advance(3_000)
    expect(rig.clock.pauses.map(Math.round)).to.deep.equal([100, 200, 400, 799, 1598])
    rig.database.up()
    await rig.clock.advance(10_000)
    await feeding
    expect([rig.counted(), rig.counters.retries]).to.deep.equal([10, 5])
  })

  it('does nothing for partitions that another owner has, and asks for them anew', async () => {
    await rig.claim([zero], rig.database.again())
    await rig.feed(zero, 10)
    await rig.feed(zero, 10)
    expect([rig.counted(), rig.offset(), rig.told()]).to.deep.equal([0, 0n, 0n])
    expect([rig.counters.fenced, rig.consumer.reclaims]).to.deep.equal([1, 1])
    await rig.assign(zero)
    await rig.feed(zero, 3)
    expect([rig.counted(), rig.offset()]).to.deep.equal([3, 3n])
  })

  it('tells no more of partitions that were taken away in the middle of a commit, though that was done', async () => {
    const release = rig.database.hold()
    const feeding = rig.feed(zero, 10)
    await settled()
    rig.consumer.revoke(rig.loop)
    release()
    await feeding
    expect([rig.counted(), rig.offset(), rig.told()]).to.deep.equal([10, 10n, 0n])
  })

  it('tries no more of a batch whose partition was taken away during an outage', async () => {
    rig.database.away = true
    const feeding = rig.feed(zero, 10)
    await rig.clock.advance(50)
    rig.consumer.revoke(rig.loop)
    rig.database.up()
    await rig.clock.advance(60_000)
    await feeding
    expect([rig.counted(), rig.events]).to.deep.equal([0, []])
  })

  it('does nothing of a generation that is over, be it that it waited for its turn', async () => {
    const release = rig.database.hold()
    const first = rig.feed(zero, 1)
    const second = rig.loop.handle(rig.consumer.batch(zero, 1n, 5), rig.consumer.generation)
    await settled()
    rig.consumer.revoke(rig.loop)
    release()
    await Promise.all([first, second])
    expect([rig.counted(), rig.offset()]).to.deep.equal([1, 1n])
  })

  it('does not use a claim whose partitions were assigned anew before it was answered', async () => {
    const release = rig.database.hold()
    const claiming = rig.loop.claim([zero, one], 7)
    await settled()
    rig.loop.revoked()
    release()
    expect(await claiming).to.deep.equal([])
    await rig.loop.handle(rig.consumer.batch(one, 0n, 10), 7)
    expect([rig.counted(), rig.consumer.told.some(({ partition }) => partition === 1)]).to.deep.equal([0, false])
  })

  it('makes dead letters of a device whose input is rejected, before the offsets move; the others go on', async () => {
    rig.devices = 3
    rig.words.set(4n, 'rude')
    await rig.feed(zero, 9)
    expect(rig.events).to.deep.equal(['rejected 0–9', 'dead 1 4 7', 'sent', 'committed 0–9'])
    expect([rig.counted(), rig.offset(), rig.database.row(NAME, zero)?.dead]).to.deep.equal([6, 9n, 3n])
    expect([...rig.counters.rejected]).to.deep.equal([['rude', 3]])
  })

  it('counts what is dropped, by its source and by itself, once it has committed', async () => {
    rig.devices = 3
    rig.words.set(0n, 'silence').set(4n, 'dull').set(5n, 'rude')
    await rig.feed(zero, 9)
    expect(rig.events.at(-1)).to.equal('committed 0–9')
    expect([rig.counted(), rig.offset(), rig.database.row(NAME, zero)?.dead]).to.deep.equal([2, 9n, 3n])
    expect([...rig.counters.dropped]).to.deep.equal([
      ['silence', 1],
      ['dull', 3],
    ])
  })

  it('makes a dead letter of what cannot be read, with all others of the batch', async () => {
    rig.devices = 3
    rig.words.set(0n, 'garbage').set(4n, 'rude')
    await rig.feed(zero, 9)
    expect(rig.events).to.deep.equal(['dead 0 1 4 7', 'sent', 'committed 0–9'])
    expect([rig.counted(), rig.offset()]).to.deep.equal([5, 9n])
  })

  it('moves no offset past a dead letter that Kafka has not taken, and writes each once', async () => {
    rig.words.set(0n, 'garbage')
    rig.kafkaAway = true
    const feeding = rig.feed(zero, 2)
    await rig.clock.advance(5_000)
    expect([rig.offset(), rig.events.includes('sent')]).to.deep.equal([0n, false])
    rig.kafkaAway = false
    rig.database.cutNext('before-sending', 'down')
    await rig.clock.advance(5_000)
    rig.database.up()
    await rig.clock.advance(10_000)
    await feeding
    expect(rig.events.filter((event) => event === 'sent')).to.have.length(1)
    expect([rig.offset(), rig.counted()]).to.deep.equal([2n, 1])
  })

  it('writes nothing of a batch in which too many devices have turned bad, until they are good again', async () => {
    rig.devices = 20
    await rig.feed(zero, 20)
    for (let offset = 20n; offset < 80n; offset++) rig.words.set(offset, 'rude')
    const refused = await rig.feed(zero, 60).catch((cause: unknown) => cause)
    expect(refused).to.be.instanceOf(Error)
    expect([rig.offset(), rig.events.includes('sent'), rig.stopped.size]).to.deep.equal([20n, false, 1])
    rig.words.clear()
    await rig.feed(zero, 60)
    expect([rig.offset(), rig.counted(), rig.stopped.size]).to.deep.equal([80n, 80, 0])
  })

  it('finishes what is under way when it stops', async () => {
    const release = rig.database.hold()
    const feeding = rig.feed(zero, 10)
    let drained = false
    const draining = rig.loop.drain().then(() => {
      drained = true
    })
    await settled()
    expect(drained).to.equal(false)
    release()
    await draining
    expect([rig.counted(), rig.told()]).to.deep.equal([10, 10n])
    await feeding
  })

  it('does every record once, and is never told to be further than it is, whatever happens', async () => {
    const happening = fc.oneof(
      fc.record({ tag: fc.constant('feed' as const), partition: fc.nat(1), records: fc.integer({ min: 1, max: 20 }) }),
      fc.record({ tag: fc.constant('wait' as const), ms: fc.nat(2_000) }),
      fc.record({ tag: fc.constant('cut' as const), after: fc.boolean(), down: fc.boolean() }),
      fc.constant({ tag: 'up' as const }),
      fc.constant({ tag: 'other owner' as const }),
      fc.constant({ tag: 'assign' as const }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(happening, { maxLength: 25 }), async (happenings) => {
        const rig = new Rig()
        const { loop, database, consumer, clock } = rig
        const under = (work: Promise<void>): void => void work.catch(() => undefined)
        const check = (): void => {
          const committed = [zero, one].reduce((sum, partition) => sum + Number(rig.offset(partition) ?? 0n), 0)
          expect(rig.counted(), 'offsets and what was done').to.equal(committed)
          for (const told of consumer.told) expect(told.nextOffset <= (rig.offset(told) ?? 0n), 'told and offset').to.equal(true)
        }
        under(rig.assign(zero, one))
        for (const each of happenings) {
          if (each.tag === 'feed') under(rig.feed({ topic, partition: each.partition }, each.records))
          else if (each.tag === 'cut') database.cutNext(each.after ? 'after-answer' : 'before-sending', each.down ? 'down' : undefined)
          else if (each.tag === 'up') database.away = false
          else if (each.tag === 'assign' || consumer.reclaims > 0) under(rig.assign(zero, one))
          else if (each.tag === 'other owner') await rig.claim([zero], database.again())
          await clock.advance(each.tag === 'wait' ? each.ms : 0)
          check()
        }
        database.up()
        await clock.advance(60_000)
        under(consumer.assign(loop, zero, one))
        await clock.advance(10_000)
        for (const partition of [zero, one]) under(rig.feed(partition, 10))
        await clock.advance(10_000)
        check()
        expect(consumer.position(zero)).to.equal(rig.offset())
      }),
      { numRuns: 40 },
    )
  })
})
