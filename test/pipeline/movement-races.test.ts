import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { provisionDevices } from '../../connectors/postgres/devices.ts'
import { migrateApp } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import type { ConsumerName, DeviceId } from '../../processors/contract.ts'
import type { Position } from '../../processors/movement/distance.ts'
import { businessProcess as movement } from '../../processors/movement/process.ts'
import { moved, randomNumbers, trace } from '../../processors/movement/traces.ts'
import type { Fix } from '../../processors/movement/track.ts'
import { type LoggedRecord, type RaceCounts, race } from './racing-instances.ts'
import { type ScratchDatabase, scratchDatabase } from './scratch-database.ts'

const consumer = 'movement' as ConsumerName
/** `make test` has so many; RUNS=200 for a long look. */
const runs = Number(process.env.RUNS ?? 6)
const repetitions = Number(process.env.REPETITIONS ?? 3)
const DAY = 1440
const HOUR_MICROS = 3_600_000_000
const start = Date.UTC(2026, 3, 1) * 1000
const yard: Position = { latitude: 51.4, longitude: 7.1 }
const places = [yard, moved(yard, 40_000, 1), moved(yard, 120_000, 3), moved(yard, 60_000, 5)] as const
const gps = { intervalMinutes: 60, driftMetres: 15, jumps: 0.02, missing: 0.03 }
const PARTITIONS = 3
const ACCOUNTS = ['bees', 'wasps'] as const

describe('movement, while instances are killed and take partitions from each other', () => {
  let scratch: ScratchDatabase

  before(async () => {
    scratch = await scratchDatabase('APP_DATABASE_URL')
    await migrateApp({ url: scratch.url, migrations: await readMigrations(join(import.meta.dirname, '../../../db/app')) })
  })

  after(async () => {
    await scratch[Symbol.asyncDispose]()
  })

  async function reset(devices: Readonly<Record<string, readonly DeviceId[]>>): Promise<void> {
    await scratch.query('TRUNCATE devices, sites, accounts, consumer_offset, recompute_ranges RESTART IDENTITY CASCADE')
    await using database = createDatabase({ url: scratch.url, applicationName: 'test' })
    for (const [account, ids] of Object.entries(devices))
      await provisionDevices(database, { account, site: null, devices: ids, from: null })
  }

  const raced = (
    logs: readonly (readonly LoggedRecord<Fix>[])[],
    trouble: number,
    mostRecords: number,
    seed: number,
  ): Promise<RaceCounts> =>
    race({ url: scratch.url, consumer, businessProcess: movement, logs, instances: 3, mostRecords, trouble, chance: randomNumbers(seed) })

  it('makes one site of 200 hives that arrive in the same second, over 6 partitions and 3 instances of which some are killed', async function () {
    this.timeout(Math.max(30_000, repetitions * 5_000))
    const hives = Array.from({ length: 200 }, (_, index) => `hive-${index}` as DeviceId)
    const total = { killed: 0, takenOver: 0, fenced: 0 }
    for (let repetition = 0; repetition < repetitions; repetition++) {
      await reset({ bees: hives })
      const logs = Array.from({ length: 6 }, (_, partition) =>
        hives.flatMap((device, index) =>
          index % 6 === partition
            ? [
                {
                  device,
                  items: trace(start, [{ untilMinute: DAY, at: moved(places[1], (index % 50) + 1, index) }], {
                    ...gps,
                    seed: index + 1000 * repetition,
                  }),
                },
              ]
            : [],
        ),
      )
      const { killed, takenOver, fenced } = await raced(logs, 0.6, 40, repetition)
      total.killed += killed
      total.takenOver += takenOver
      total.fenced += fenced
      expect(await scratch.query('SELECT hives, kind FROM deployments JOIN sites ON id = site_id')).to.deep.equal([
        { hives: 200n, kind: 'orchard' },
      ])
      expect(await scratch.query('SELECT count(*) AS n FROM movements')).to.deep.equal([{ n: 200n }])
    }
    expect(Math.min(total.killed, total.takenOver, total.fenced), JSON.stringify(total)).to.be.greaterThan(0)
  })

  it('has the tables of a recomputation from scratch, whatever moves, comes again, or comes late', async function () {
    this.timeout(Math.max(40_000, runs * 5_000))
    const total = { killed: 0, takenOver: 0, fenced: 0 }
    const step = fc.record({
      hive: fc.nat(7),
      to: fc.nat(places.length - 1),
      hours: fc.integer({ min: 4, max: 12 }),
      also: fc.constantFrom('nothing', 'repeat', 'late'),
    })
    // fast-check's own limit leaves the last run at work behind the test.
    const deadline = runs > 6 ? Number.POSITIVE_INFINITY : Date.now() + 15_000
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 16, maxLength: 40 }), fc.nat(1_000_000), async (steps, seed) => {
        if (Date.now() > deadline) return
        const { devices, logs } = journeys(steps)
        await reset(devices)
        const { killed, takenOver, fenced } = await raced(logs, 0.5, 12, seed)
        total.killed += killed
        total.takenOver += takenOver
        total.fenced += fenced
        const kept = await tables()
        await reset(devices)
        // One record after another, by one instance that nothing happens to.
        await race({
          url: scratch.url,
          consumer,
          businessProcess: movement,
          logs,
          instances: 1,
          mostRecords: 1,
          trouble: 0,
          chance: () => 0,
        })
        expect(kept).to.deep.equal(await tables())
      }),
      { numRuns: runs, endOnFailure: true },
    )
    expect(Math.min(total.killed, total.takenOver, total.fenced), JSON.stringify(total)).to.be.greaterThan(0)
  })

  /** Sites are called by their places: their numbers may differ. */
  async function tables(): Promise<unknown> {
    const place =
      "coalesce((SELECT concat(round(latitude::numeric, 1), ' ', round(longitude::numeric, 1)) FROM sites s WHERE s.id = t.site_id), '-')"
    const counts = `SELECT account_id, ${place} AS place, at, hives FROM deployment_history t ORDER BY 1, 2, 3`
    return {
      movements: await scratch.query(
        `SELECT to_jsonb(t) - 'decided_at' - 'site_id' AS row, ${place} AS place FROM movements t ORDER BY asset_id, since`,
      ),
      tracks: await scratch.query('SELECT to_jsonb(t) AS row FROM movement_tracks t ORDER BY asset_id'),
      assignments: await scratch.query(
        `SELECT device_id, account_id, valid::text, ${place} AS place FROM assignments t ORDER BY device_id, lower(valid) NULLS FIRST`,
      ),
      sites: await scratch.query(
        'SELECT account_id, round(latitude::numeric, 1) AS latitude, round(longitude::numeric, 1) AS longitude FROM sites ORDER BY 1, 2, 3',
      ),
      counts: await scratch.query(counts),
    }
  }
})

interface Step {
  readonly hive: number
  readonly to: number
  readonly hours: number
  readonly also: 'nothing' | 'repeat' | 'late'
}

/**
 * Records of hives of two accounts in each partition: what they send at each place, once, twice, or
 * after what they measured later.
 */
function journeys(steps: readonly Step[]): {
  readonly devices: Readonly<Record<string, readonly DeviceId[]>>
  readonly logs: readonly (readonly LoggedRecord<Fix>[])[]
} {
  const ids = Array.from({ length: 8 }, (_, index) => `hive-${index}` as DeviceId)
  const clocks = ids.map(() => start)
  const logs: LoggedRecord<Fix>[][] = Array.from({ length: PARTITIONS }, () => [])
  for (const { hive, to, hours, also } of steps) {
    const device = ids[hive] as DeviceId
    const from = clocks[hive] ?? start
    const fixes = trace(from, [{ untilMinute: hours * 60, at: places[to] ?? yard }], { ...gps, seed: hours, intervalMinutes: 30 })
    clocks[hive] = from + (hours + 1) * HOUR_MICROS
    const middle = fixes.length >> 1
    const [first, second] = [
      { device, items: fixes.slice(0, middle) },
      { device, items: fixes.slice(middle) },
    ]
    const log = logs[hive % PARTITIONS] as LoggedRecord<Fix>[]
    if (also === 'late') log.push(second, first)
    else log.push(first, second, ...(also === 'repeat' ? [first, second] : []))
  }
  return {
    devices: Object.fromEntries(ACCOUNTS.map((account, number) => [account, ids.filter((_, index) => index % ACCOUNTS.length === number)])),
    logs,
  }
}
