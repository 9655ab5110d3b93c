import { systemClock } from '../../connectors/clock.ts'
import type { Log } from '../../connectors/contract.ts'
import type { BackendName } from '../../connectors/postgres/backend.ts'
import { findBackend } from '../../connectors/postgres/backend-choice.ts'
import { createDatabase, type Database } from '../../connectors/postgres/database.ts'
import { dayOf } from '../../connectors/postgres/days.ts'
import type { PartitionSettings } from '../../processors/store/partition-plan.ts'
import { DAY_MS } from '../../processors/store/time-ranges.ts'
import { type CareFigures, keepPartitions, type PartitionCareOptions } from '../../services/store/partition-care.ts'
import { until } from './service.ts'
import { type TestStore, testStore } from './test-store.ts'

const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }
export const NOON_MS = Date.UTC(2026, 10, 23, 12)
export const TODAY = dayOf(NOON_MS)
export interface Passed extends CareFigures {
  readonly problems: string | null
  readonly strays: string | null
}

/** A store's database, and the care of its partitions at moments that the test chooses. */
export class CareRig implements AsyncDisposable {
  readonly store: TestStore
  readonly database: Database
  readonly backend: BackendName

  static async open(backend: BackendName): Promise<CareRig> {
    return new CareRig(await testStore(backend), backend)
  }

  private constructor(store: TestStore, backend: BackendName) {
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
    await this.rollUp()
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

  /** Brings the roll-ups up to date: what they have not seen is not dropped. */
  async rollUp(): Promise<void> {
    const [found] = await this.store.database.query("SELECT to_regprocedure('rollup_hours(integer)') IS NOT NULL AS there")
    if (found?.there !== true) return
    await this.store.database.query("SELECT rollup_take_marks(1000000, '0', '0')")
    await this.store.database.query('SELECT rollup_hours(1000000)')
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
