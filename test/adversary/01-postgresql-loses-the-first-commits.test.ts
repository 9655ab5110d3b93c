import { join } from 'node:path'
import { expect } from 'chai'
import type { Claim, OffsetStore, TopicPartition } from '../../connectors/contract.ts'
import { createContinuityStore, ledgerBatch } from '../../connectors/postgres/continuity-store.ts'
import { migrateApp, migrateTelemetry } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import { createProcessRunner } from '../../connectors/postgres/process-runner.ts'
import { createReadingsSink } from '../../connectors/postgres/readings-sink.ts'
import { createRegistry } from '../../connectors/registry/registry.ts'
import { Ledger } from '../../processors/continuity/ledger.ts'
import type { ConsumerName, Topic } from '../../processors/contract.ts'
import { businessProcess as devicesProcess } from '../../processors/devices/process.ts'
import { topics } from '../../processors/topics.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import { frameRecord, produce, testFirmware, wire } from '../pipeline/frames.ts'
import { crash, revive } from '../pipeline/local-parts.ts'
import { sinkBatch } from '../pipeline/readings-batch.ts'
import { scratchDatabase } from '../pipeline/scratch-database.ts'
import { startService, until } from '../pipeline/service.ts'
import { address, asSuperuser, quiet, testDatabase } from '../pipeline/stack-clients.ts'
import { closing } from './closing.ts'
import { recreateTopic } from './kafka-topics.ts'
import { provision } from './messages.ts'

const topic = 'some.topic' as Topic
const consumer = 'somebody' as ConsumerName

/** What is asked of every store of offsets. */
interface OffsetsUnderTest extends OffsetStore, AsyncDisposable {
  /** Moves the partition on by one. */
  next(claim: Claim, from: bigint): Promise<'committed' | 'fenced'>
}

const kinds: Readonly<Record<string, { readonly database: 'telemetry' | 'app'; readonly open: (url: string) => OffsetsUnderTest }>> = {
  'the store': {
    database: 'telemetry',
    open: (url) => {
      const sink = createReadingsSink({ url, backend: 'postgres', quantities, conflicts: 'keep-first', log: quiet })
      return {
        ...sink,
        next: async ({ epoch }, from) => {
          const move = { topic, partition: 0, from, to: from + 1n, leaderEpoch: 0, epoch, rows: [], dead: 0 }
          const { tag } = await sink.commit(consumer, sinkBatch([], [move]))
          if (tag === 'bad-rows' || tag === 'not-whole') throw new Error('there are no rows')
          return tag
        },
      }
    },
  },
  'a business process': {
    database: 'app',
    open: (url) => {
      const runner = createProcessRunner({ url, log: quiet })
      return {
        ...runner,
        next: async ({ epoch }, from) => {
          const move = { topic, partition: 0, from, to: from + 1n, leaderEpoch: 0, epoch, handled: 0, dead: 0 }
          const { tag } = await runner.commit(consumer, devicesProcess, { devices: [], moves: [move] })
          if (tag === 'rejected') throw new Error('there are no devices')
          return tag
        },
      }
    },
  },
  'the ledger of frames': {
    database: 'telemetry',
    open: (url) => {
      const store = createContinuityStore(url)
      return {
        ...store,
        next: async ({ epoch }, from) => {
          const move = { topic, partition: 0, from, to: from + 1n, leaderEpoch: 0, epoch }
          return (await store.commit(consumer, ledgerBatch(new Ledger().changes(), [move]))) ? 'committed' : 'fenced'
        },
      }
    },
  },
}

for (const [name, kind] of Object.entries(kinds)) {
  describe(`offsets of ${name}, after a crash of the database took back what was committed`, () => {
    const opened = closing()
    let query: (text: string) => Promise<readonly Record<string, unknown>[]>
    let offsets: OffsetsUnderTest
    const claim = async (earliest = 17n): Promise<Claim> => {
      const [claimed] = await offsets.claim(consumer, 'topic-1', [{ topic, partition: 0, earliest }])
      if (claimed === undefined) throw new Error('nothing was claimed')
      return claimed
    }

    before(async () => {
      const scratch = await opened.use(scratchDatabase(kind.database === 'app' ? 'APP_DATABASE_URL' : 'TELEMETRY_DATABASE_URL'))
      const migrations = await readMigrations(join(import.meta.dirname, `../../../db/${kind.database}`))
      if (kind.database === 'app') await migrateApp({ url: scratch.url, migrations })
      else await migrateTelemetry({ url: scratch.url, migrations, quantities, backend: 'postgres' })
      query = scratch.query
      offsets = await opened.use(kind.open(scratch.url))
    })

    beforeEach(() => query('DELETE FROM consumer_offset'))

    it('begin at the first offset that Kafka has, which is written down with the claim', async () => {
      expect(await claim()).to.include({ nextOffset: 17n, origin: 'first' })
      expect(await query('SELECT next_offset FROM consumer_offset')).to.deep.equal([{ next_offset: 17n }])
    })

    it('refuse a commit that goes on from a first one that is gone', async () => {
      const claimed = await claim()
      expect(await offsets.next(claimed, claimed.nextOffset)).to.equal('committed')
      await query('UPDATE consumer_offset SET next_offset = 17')
      expect(await offsets.next(claimed, claimed.nextOffset + 1n)).to.equal('fenced')
    })

    it('refuse a commit that is compared against nothing', async () => {
      const claimed = await claim()
      await query('ALTER TABLE consumer_offset ALTER COLUMN next_offset DROP NOT NULL')
      await query('UPDATE consumer_offset SET next_offset = NULL')
      expect(await offsets.next(claimed, claimed.nextOffset + 1n)).to.equal('fenced')
      expect(await offsets.next(claimed, claimed.nextOffset)).to.equal('fenced')
    })

    it('refuse a commit if the row is gone, or of an earlier epoch', async () => {
      const claimed = await claim()
      await query('UPDATE consumer_offset SET epoch = epoch - 1')
      expect(await offsets.next(claimed, claimed.nextOffset)).to.equal('fenced')
      await query('DELETE FROM consumer_offset')
      expect(await offsets.next(claimed, claimed.nextOffset)).to.equal('fenced')
    })

    it('are known as lost if the row is gone, behind, or of an earlier epoch', async () => {
      const claimed = await claim()
      const lost = (): Promise<readonly TopicPartition[]> => offsets.lost(consumer, [{ ...claimed, nextOffset: 18n }])
      expect(await lost(), 'a position behind what was committed').to.deep.equal([{ topic, partition: 0 }])
      expect(await offsets.next(claimed, claimed.nextOffset)).to.equal('committed')
      expect(await lost()).to.deep.equal([])
      expect(await offsets.next(claimed, 18n)).to.equal('committed')
      expect(await lost(), 'a commit of which nobody has heard yet').to.deep.equal([])
      await query('UPDATE consumer_offset SET epoch = epoch + 1, next_offset = 17')
      expect(await lost(), 'of another owner').to.deep.equal([])
      await query('UPDATE consumer_offset SET epoch = epoch - 2, next_offset = 20')
      expect(await lost()).to.deep.equal([{ topic, partition: 0 }])
      await query('DELETE FROM consumer_offset')
      expect(await lost()).to.deep.equal([{ topic, partition: 0 }])
      expect(await offsets.lost(consumer, [])).to.deep.equal([])
    })

    it('are put elsewhere only by their owner', async () => {
      const earlier = await claim()
      const claimed = await claim()
      expect(await offsets.reposition(consumer, [{ ...earlier, nextOffset: 3n }])).to.equal(false)
      expect(await offsets.reposition(consumer, [{ ...claimed, nextOffset: 3n, leaderEpoch: 5 }])).to.equal(true)
      expect(await claim()).to.include({ nextOffset: 3n, leaderEpoch: 5, origin: 'kept' })
    })
  })
}

describe('PostgreSQL dies right after the first commits of a fresh topic', () => {
  const opened = closing()
  const run = `fc${Date.now().toString(36)}`
  const devices = Array.from({ length: 10 }, (_, index) => `${run}-${index}`)
  const firmware = testFirmware(run)
  const HALF = 100
  let schemaId: number

  /** On a connection of its own: the server is killed meanwhile. */
  async function ask(text: string, values: readonly unknown[] = [], superuser = false): Promise<Record<string, unknown> | undefined> {
    const url = address('TELEMETRY_DATABASE_URL')
    const database = testDatabase(superuser ? asSuperuser(url) : url)
    database.on('error', () => undefined)
    await database.connect()
    try {
      return (await database.query<Record<string, unknown>>(text, [...values])).rows[0]
    } finally {
      await database.end()
    }
  }
  const rows = async (): Promise<number> =>
    Number((await ask('SELECT count(*) AS rows FROM readings WHERE device_id = ANY ($1)', [devices]))?.rows)

  const counted = async (): Promise<number> =>
    Number((await ask("SELECT coalesce(sum(stored + repeated), 0) AS rows FROM consumer_offset WHERE consumer = 'store'"))?.rows)

  /** One sample a frame, from `first` on. */
  async function send(first: number): Promise<void> {
    const start = Date.now() - 3_600_000
    await produce(
      Array.from({ length: HALF }, (_, index) => {
        const frame = first + index
        return frameRecord(devices[frame % devices.length] ?? '', wire(schemaId, firmware.datum(frame, start + frame, [2000])))
      }),
    )
  }

  before(async function () {
    this.timeout(120_000)
    await provision(...devices)
    schemaId = await createRegistry(address('REGISTRY_URL')).register(firmware.subject, firmware.schema('0.01'))
    opened.atEnd(async () => {
      await revive('postgres')
      await ask('ALTER SYSTEM RESET wal_writer_delay', [], true)
      await ask('SELECT pg_reload_conf()', [], true)
    })
    // A commit that is not waited for is written a moment later, at the latest after three times
    // this: long enough to be killed in.
    await ask("ALTER SYSTEM SET wal_writer_delay = '10s'", [], true)
    await ask('SELECT pg_reload_conf()', [], true)
    await recreateTopic(topics.readings)
  })

  it('and every row is there', async function () {
    this.timeout(120_000)
    const before = await counted()
    const store = await opened.use(startService('store'))
    await opened.use(startService('run', 'standardise'))
    await until('the store has its partitions', async () => store.log().includes('partitions assigned'))
    await send(0)
    await until('the first rows are committed', async () => (await rows()) === HALF)
    await crash('postgres')
    await revive('postgres')
    const kept = await rows()
    expect(kept, 'the crash took rows back: else it shows nothing').to.be.lessThan(HALF)
    await until('the rows are there again, though nothing else comes', async () => (await rows()) === HALF, 60_000)
    await send(HALF)
    await until(`${2 * HALF} rows`, async () => (await rows()) >= 2 * HALF, 60_000)
    expect(await rows()).to.equal(2 * HALF)
    expect((await counted()) - before).to.equal(2 * HALF)
  })
})
