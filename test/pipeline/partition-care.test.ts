import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { systemClock } from '../../connectors/clock.ts'
import type { Log } from '../../connectors/contract.ts'
import type { BackendName } from '../../connectors/postgres/backend.ts'
import { findBackend } from '../../connectors/postgres/backend-choice.ts'
import { createDatabase, type Database } from '../../connectors/postgres/database.ts'
import { dayOf } from '../../connectors/postgres/days.ts'
import { partitionLines, partitionReport } from '../../ops/partitions.ts'
import type { PartitionSettings } from '../../processors/store/partition-plan.ts'
import { DAY_MS, HOUR_MS } from '../../processors/store/time-ranges.ts'
import { type CareFigures, keepPartitions, type PartitionCareOptions } from '../../services/store/partition-care.ts'
import { ManualClock } from '../memory/manual-clock.ts'
import { until } from './service.ts'
import { type TestStore, testStore } from './test-store.ts'

const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }
const NOON_MS = Date.UTC(2026, 10, 23, 12)
const TODAY = dayOf(NOON_MS)
/** The bound is 250 ms; on a busy machine the writer itself is slower at times. */
const LONGEST_STALL_MS = 1_000

interface Passed extends CareFigures {
  readonly problems: string | null
  readonly strays: string | null
}

/** A store's database, and the care of its partitions at moments that the test chooses. */
class Rig implements AsyncDisposable {
  readonly store: TestStore
  readonly database: Database
  readonly backend: BackendName

  constructor(store: TestStore, backend: BackendName) {
    this.store = store
    this.backend = backend
    this.database = createDatabase({ url: store.database.url, applicationName: 'test care' })
  }

  options(more: Partial<PartitionCareOptions> & Pick<PartitionCareOptions, 'settings' | 'clock'>): PartitionCareOptions {
    const backend: PartitionCareOptions['backend'] = (session) => findBackend(session, this.backend)
    return { database: this.database, backend, log: silent, problem: () => undefined, ...more }
  }

  /** One pass at a moment, by this clock and the database's. */
  async pass(settings: Partial<PartitionSettings>, nowMs = NOON_MS, databaseMs = nowMs): Promise<Passed> {
    const problems: { partitions?: string | null; strays?: string | null } = {}
    await using care = keepPartitions(
      this.options({
        settings: { daysAhead: 2, retentionDays: undefined, ...settings },
        clock: { ...systemClock, nowMs: () => nowMs },
        databaseMs: async () => databaseMs,
        problem: (part, what) => {
          problems[part] = what
        },
      }),
    )
    await until('a pass is over', async () => problems.partitions !== undefined)
    return { ...care.figures(), problems: problems.partitions ?? null, strays: problems.strays ?? null }
  }

  /** A row of each of these days, written by the store. */
  async fill(first: number, last: number): Promise<void> {
    for (let day = first; day <= last; day++) await this.store.write([{ device: 'hive', tsMs: day * DAY_MS + 1000, temperature: 20 }])
  }

  async insert(ts: string, device = 'hive'): Promise<void> {
    await this.store.database.query('INSERT INTO readings (device_id, ts, time_estimated) VALUES ($1, $2, false)', [device, ts])
  }

  /** The days that rows are on, as numbers beside today. */
  async days(): Promise<readonly unknown[]> {
    const rows = await this.store.database.query(
      `SELECT DISTINCT floor(extract(epoch FROM ts) / 86400)::integer - ${TODAY} AS day FROM readings ORDER BY 1`,
    )
    return rows.map(({ day }) => day)
  }

  async partitions(): Promise<readonly string[]> {
    const found = await this.database.use(async (session) => (await findBackend(session, this.backend)).list(session))
    return found.map(({ fromMs, toMs }) => `${fromMs / DAY_MS - TODAY} to ${toMs / DAY_MS - TODAY}`)
  }

  async tables(pattern: string): Promise<readonly unknown[]> {
    const rows = await this.store.database.query("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relname ~ $1 ORDER BY 1", [
      pattern,
    ])
    return rows.map(({ relname }) => relname)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.database[Symbol.asyncDispose]()
    await this.store[Symbol.asyncDispose]()
  }
}

function caring(backend: BackendName): void {
  describe(`the care of partitions on ${backend}`, () => {
    let rig: Rig

    beforeEach(async () => {
      rig = new Rig(await testStore(backend), backend)
    })
    afterEach(() => rig[Symbol.asyncDispose]())

    it('drops days that are over for as long as was asked, and nothing without being asked', async () => {
      await rig.fill(TODAY - 4, TODAY + 1)
      expect((await rig.pass({})).dropped).to.equal(0)
      expect(await rig.days()).to.deep.equal([-4, -3, -2, -1, 0, 1])
      const { dropped, problems } = await rig.pass({ retentionDays: 2 })
      expect([dropped, problems]).to.deep.equal([2, null])
      expect(await rig.days()).to.deep.equal([-2, -1, 0, 1])
      expect(await rig.tables('^(readings_202611(19|20)|_hyper_.*)$')).to.have.length(backend === 'postgres' ? 0 : 4)
    })

    it('takes a late row of a day that was dropped, and drops it again', async () => {
      await rig.fill(TODAY - 4, TODAY)
      await rig.pass({ retentionDays: 2 })
      await rig.store.write([{ device: 'late', tsMs: (TODAY - 4) * DAY_MS, temperature: 1 }])
      expect(await rig.days()).to.deep.equal([-4, -2, -1, 0])
      await rig.pass({ retentionDays: 2 })
      expect(await rig.days()).to.deep.equal([-2, -1, 0])
    })

    it('drops nothing while the clock is a year ahead of the database’s, and says so', async () => {
      await rig.fill(TODAY - 4, TODAY)
      const { problems, dropped } = await rig.pass({ retentionDays: 2 }, NOON_MS + 365 * DAY_MS, NOON_MS)
      expect([dropped, problems]).to.deep.equal([
        0,
        "this machine's clock says 2027-11-23T12:00:00.000Z, the database's 2026-11-23T12:00:00.000Z: no partition is made or dropped before they agree",
      ])
      expect(await rig.days()).to.deep.equal([-4, -3, -2, -1, 0])
    })

    it('drops no more than was asked if both clocks are a year ahead', async () => {
      await rig.fill(TODAY - 4, TODAY)
      // The first pass makes partitions of next year, which are empty.
      for (let pass = 0; pass < 2; pass++) await rig.pass({ retentionDays: 2 }, NOON_MS + 365 * DAY_MS)
      expect(await rig.days()).to.deep.equal([-1, 0])
    })

    it('is the work of one at a time', async () => {
      await rig.fill(TODAY - 4, TODAY)
      const other = await rig.store.database.connect()
      await other.query("SELECT pg_advisory_lock(hashtextextended('millrace partition care', 0))")
      const idle = await rig.pass({ retentionDays: 2 })
      expect([idle.dropped, idle.made, idle.problems]).to.deep.equal([0, 0, null])
      await other.end()
      expect((await rig.pass({ retentionDays: 2 })).dropped).to.equal(2)
    })

    it('lists each with its size, its state and what is planned', async () => {
      await rig.fill(TODAY - 1, TODAY)
      const report = await rig.database.use(async (session) =>
        partitionReport(await findBackend(session, backend), session, { daysAhead: 1, retentionDays: 3 }, NOON_MS),
      )
      expect(report.partitions.map(({ from, state, dropsAt }) => [from, state, dropsAt])).to.deep.equal([
        ['2026-11-22T00:00:00.000Z', 'closed', '2026-11-26T00:00:00.000Z'],
        ['2026-11-23T00:00:00.000Z', 'open', '2026-11-27T00:00:00.000Z'],
      ])
      for (const { bytes, indexBytes } of report.partitions) expect(Math.min(bytes, indexBytes)).to.be.greaterThan(0)
      expect(report.toBeMade).to.deep.equal(backend === 'postgres' ? ['2026-11-24'] : [])
      expect(partitionLines(report).join('\n')).to.match(/2026-11-22 +2026-11-23 .* closed +dropped on 2026-11-26/)
    })

    it('lets a writer at full speed through midnights and drops: nothing is lost', async () => {
      await rig.fill(TODAY - 3, TODAY)
      const clock = new ManualClock(NOON_MS)
      let problems: string | null = null
      const care = keepPartitions(
        rig.options({
          settings: { daysAhead: 1, retentionDays: 2 },
          clock,
          databaseMs: async () => clock.nowMs(),
          problem: (_, what) => {
            problems ??= what
          },
        }),
      )
      const stalls = { store: 0, other: 0 }
      let stopped = false
      let written = 0
      const timed = async (who: keyof typeof stalls, write: () => Promise<unknown>): Promise<void> => {
        const beganMs = performance.now()
        await write()
        stalls[who] = Math.max(stalls[who], performance.now() - beganMs)
        written += 100
      }
      const rows = Array.from({ length: 100 }, (_, index) => index)
      const store = async (): Promise<void> => {
        for (let batch = 0; !stopped; batch++) {
          const nowMs = clock.nowMs()
          await timed('store', () =>
            rig.store.write(rows.map((row) => ({ device: `store-${batch}-${row}`, tsMs: nowMs + row, temperature: 1 }))),
          )
        }
      }
      const other = async (): Promise<void> => {
        const client = await rig.store.database.connect()
        for (let batch = 0; !stopped; batch++)
          await timed('other', () =>
            client.query(
              `INSERT INTO readings (device_id, ts, time_estimated)
               SELECT 'other-${batch}-' || n, timestamptz 'epoch' + ${clock.nowMs()} * interval '1 millisecond', false FROM generate_series(1, 100) AS n`,
            ),
          )
      }
      const writing = Promise.all([store(), other()])
      for (let hour = 0; hour < 54; hour++) {
        await clock.advance(HOUR_MS)
        await sleep(60)
      }
      stopped = true
      await writing
      await until('the last midnight is dealt with', async () => care.figures().dropped >= 3)
      await care[Symbol.asyncDispose]()
      const [kept] = await rig.store.database.query('SELECT count(*) AS rows FROM readings WHERE ts >= $1', [new Date(NOON_MS)])
      console.log(`      longest write: store ${Math.round(stalls.store)} ms, another ${Math.round(stalls.other)} ms, of ${written} rows`)
      expect([Number(kept?.rows), problems]).to.deep.equal([written, null])
      expect(await rig.days()).to.deep.equal([0, 1, 2])
      expect(Math.max(stalls.store, stalls.other)).to.be.lessThan(LONGEST_STALL_MS)
    })
  })
}

caring('postgres')
caring('timescaledb')
