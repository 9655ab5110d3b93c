import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import type { Log } from '../../connectors/contract.ts'
import { SwapError } from '../../connectors/postgres/asset-checks.ts'
import { type Swapped, swapDevices } from '../../connectors/postgres/asset-swap.ts'
import { createDatabase, type Database } from '../../connectors/postgres/database.ts'
import { moveDevices, provisionDevices } from '../../connectors/postgres/devices.ts'
import { migrateApp } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import { processOutputs, transactionOf } from '../../connectors/postgres/outbox.ts'
import { createProcessRunner, type ProcessRunner } from '../../connectors/postgres/process-runner.ts'
import { businessProcess as alerts } from '../../processors/alerts/process.ts'
import { closeNoLongerWatched, openSilent } from '../../processors/alerts/silence.ts'
import type { AlertTransaction } from '../../processors/alerts/writing.ts'
import type { ConsumerName, DeviceId, Topic } from '../../processors/contract.ts'
import type { Position } from '../../processors/movement/distance.ts'
import { businessProcess as movement } from '../../processors/movement/process.ts'
import { moved, trace } from '../../processors/movement/traces.ts'
import type { Fix } from '../../processors/movement/track.ts'
import { type ScratchDatabase, scratchDatabase } from './scratch-database.ts'

const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }
const consumer = 'movement' as ConsumerName
const topic = 'telemetry.readings' as Topic
const [A, B, C, D] = ['A', 'B', 'C', 'D'] as [DeviceId, DeviceId, DeviceId, DeviceId]

const HOUR_MICROS = 3_600_000_000
const DAY = 1440
const start = Date.UTC(2026, 3, 1) * 1000
const hour = (hours: number): Date => new Date((start + hours * HOUR_MICROS) / 1000)
const yard: Position = { latitude: 51.4, longitude: 7.1 }
const orchard = moved(yard, 40_000, 1)
const office = moved(yard, 25_000, 4)
const quiet = { intervalMinutes: 60, driftMetres: 15, jumps: 0, missing: 0 }
const at = (place: Position, fromHour: number, hours: number, seed = 1): readonly Fix[] =>
  trace(start + fromHour * HOUR_MICROS, [{ untilMinute: hours * 60, at: place }], { ...quiet, seed })
/** An hour more at the orchard, two on the road, then at the yard. */
const departure = (fromHour: number): readonly Fix[] =>
  trace(start + fromHour * HOUR_MICROS, [{ untilMinute: 60, at: orchard }, { untilMinute: 180 }, { untilMinute: DAY, at: yard }], {
    ...quiet,
    intervalMinutes: 20,
    seed: 3,
  })

describe('device swaps', () => {
  let scratch: ScratchDatabase
  let database: Database
  let runner: ProcessRunner
  let places: { epoch: bigint; position: bigint }[]

  before(async () => {
    scratch = await scratchDatabase('APP_DATABASE_URL')
    await migrateApp({ url: scratch.url, migrations: await readMigrations(join(import.meta.dirname, '../../../db/app')) })
    database = createDatabase({ url: scratch.url, applicationName: 'test' })
    runner = createProcessRunner({ url: scratch.url, log: silent })
  })

  after(async () => {
    await runner[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
    await scratch[Symbol.asyncDispose]()
  })

  beforeEach(reset)

  async function reset(): Promise<void> {
    await scratch.query(
      'TRUNCATE devices, sites, accounts, consumer_offset, recompute_ranges, alert_rules, alert_device, outbox RESTART IDENTITY CASCADE',
    )
    const claims = await runner.claim(consumer, 'topic-1', [
      { topic, partition: 0, earliest: 0n },
      { topic, partition: 1, earliest: 0n },
    ])
    places = claims.map(({ epoch, nextOffset }) => ({ epoch, position: nextOffset }))
  }

  const provision = (account: string, site: string | null, ...devices: readonly DeviceId[]) =>
    provisionDevices(database, { account, site, devices, from: null })
  const swap = (old: DeviceId, replacement: DeviceId, when: Date | null, fixes: readonly Fix[] = [], spare = false): Promise<Swapped> =>
    swapDevices(database, { old, replacement, at: when, spare, fixes })
  const refusal = async (swapping: Promise<Swapped>): Promise<string> => {
    const error = await swapping.then(
      () => undefined,
      (cause: unknown) => cause,
    )
    expect(error).to.be.instanceOf(SwapError)
    return (error as SwapError).message
  }
  const value = async (text: string, ...values: readonly unknown[]): Promise<unknown> =>
    Object.values((await scratch.query(`SELECT ${text}`, values))[0] ?? {})[0]
  const measured = async (): Promise<readonly string[]> =>
    (await scratch.query('SELECT asset_id, device_id, valid::text FROM asset_devices ORDER BY asset_id, lower(valid) NULLS FIRST')).map(
      ({ asset_id, device_id, valid }) => `${asset_id} ${device_id} ${String(valid).replaceAll(/:00:00\+00|"/g, '')}`,
    )
  const hives = async (when: Date): Promise<unknown> => value('sum(hives)::int FROM hives_deployed($1)', when)

  async function feed(device: DeviceId, items: readonly Fix[], partition = 0): Promise<void> {
    const place = places[partition]
    if (place === undefined) throw new Error(`no partition ${partition}`)
    const move = {
      topic,
      partition,
      from: place.position,
      to: place.position + 1n,
      leaderEpoch: 0,
      epoch: place.epoch,
      handled: 1,
      dead: 0,
    }
    const result = await runner.commit(consumer, movement, { devices: [{ device, items, records: [] }], moves: [move] })
    expect(result).to.include({ tag: 'committed' })
    place.position++
  }

  it('hands on what is measured, and all assignments from then on; a repeat changes nothing', async () => {
    await provision('bees', 'orchard', A)
    await moveDevices(database, [A], { account: 'bees', site: 'meadow' }, hour(48))
    expect(await swap(A, B, hour(24))).to.deep.equal({ repeated: false, asset: 'A', at: hour(24), ended: 0, rules: 0 })
    const written = async () =>
      scratch.query(
        'SELECT device_id, s.name, lower(valid) AS since, upper(valid) AS until FROM assignments JOIN sites s ON s.id = site_id ORDER BY 3 NULLS FIRST',
      )
    const expected = [
      { device_id: 'A', name: 'orchard', since: null, until: hour(24) },
      { device_id: 'B', name: 'orchard', since: hour(24), until: hour(48) },
      { device_id: 'B', name: 'meadow', since: hour(48), until: null },
    ]
    expect(await written()).to.deep.equal(expected)
    expect(await measured()).to.deep.equal(['A A (,2026-04-02 00)', 'A B [2026-04-02 00,)'])
    for (const hours of [0, 23, 24, 25, 47, 48, 49]) expect(await hives(hour(hours)), `at ${hours}`).to.equal(1)
    // The sum never dipped: nothing changed at the swap.
    expect((await scratch.query('SELECT at FROM deployment_history ORDER BY at')).map((row) => row.at)).to.deep.equal([
      Number.NEGATIVE_INFINITY,
      hour(48),
      hour(48),
    ])
    for (const when of [hour(24), null])
      expect(await swap(A, B, when)).to.deep.equal({ repeated: true, asset: 'A', at: hour(24), ended: 0, rules: 0 })
    expect(await written()).to.deep.equal(expected)
    expect(
      await scratch.query('SELECT device_id, since, account_id, site_id FROM recompute_ranges ORDER BY device_id, since'),
      'readings that were enriched otherwise',
    ).to.deep.equal([
      { device_id: 'A', since: hour(24), account_id: null, site_id: null },
      { device_id: 'B', since: hour(24), account_id: 1n, site_id: 1n },
      { device_id: 'B', since: hour(48), account_id: 1n, site_id: 2n },
    ])
  })

  it('refuses what makes no sense, says why, and changes nothing', async () => {
    await provision('bees', 'orchard', A)
    await provision('bees', 'meadow', B)
    await provision('others', null, C)
    expect(await refusal(swap(D, A, null))).to.contain('device D is not known')
    expect(await refusal(swap(A, A, null))).to.contain('two devices')
    expect(await refusal(swap(A, D, new Date(Date.now() + 60_000)))).to.contain('--at: expected a time that has been')
    expect(await refusal(swap(A, C, hour(1))))
      .to.contain('account "others"')
      .and.to.contain('account "bees"')
    expect(await refusal(swap(A, B, hour(1))))
      .to.contain('site "meadow"')
      .and.to.contain('--spare')
    expect(await measured()).to.deep.equal([])
    expect(await value('count(*)::int FROM devices')).to.equal(3)
    await swap(A, D, hour(5))
    expect(await refusal(swap(A, 'E' as DeviceId, hour(6))))
      .to.contain('measures nothing at')
      .and.to.contain('for D')
    expect(await refusal(swap(A, 'E' as DeviceId, hour(4)))).to.contain('D takes its place then')
    expect(await refusal(swap(B, D, hour(4)))).to.contain('device D measures A since')
  })

  it('goes along a chain of devices, and back', async () => {
    await provision('bees', 'orchard', A)
    await swap(A, B, hour(1))
    await swap(B, C, hour(2))
    await swap(C, A, hour(3))
    expect(await measured()).to.deep.equal([
      'A A (,2026-04-01 01)',
      'A B [2026-04-01 01,2026-04-01 02)',
      'A C [2026-04-01 02,2026-04-01 03)',
      'A A [2026-04-01 03,)',
    ])
    expect(
      await value('string_agg(asset_id, $1 ORDER BY lower(valid) NULLS FIRST) FROM asset_periods WHERE device_id = $2', ' ', 'B'),
    ).to.equal('B A B.2')
    for (const hours of [0, 1, 2, 3, 4]) expect(await hives(hour(hours))).to.equal(1)
    await swap(A, C, hour(3))
    await swap(C, B, hour(2))
    await swap(B, A, hour(1))
    expect(await measured()).to.deep.equal([])
    expect(await scratch.query('SELECT device_id, valid::text FROM assignments')).to.deep.equal([{ device_id: 'A', valid: '(,)' }])
    expect((await swap(B, A, hour(1))).repeated).to.equal(true)
  })

  it('gives a spare back what it had, if the swap is taken back', async () => {
    await provision('bees', 'orchard', A)
    await provision('bees', 'shelf', B)
    expect((await swap(A, B, hour(1), [], true)).ended).to.equal(1)
    expect(await hives(hour(2))).to.equal(1)
    await swap(B, A, hour(1))
    expect(
      await scratch.query('SELECT device_id, s.name FROM assignments JOIN sites s ON s.id = site_id WHERE upper_inf(valid) ORDER BY 1'),
    ).to.deep.equal([
      { device_id: 'A', name: 'orchard' },
      { device_id: 'B', name: 'shelf' },
    ])
    for (const hours of [0, 2]) expect(await hives(hour(hours))).to.equal(2)
  })

  it('exchanges the devices of two hives by way of a name that nobody has', async () => {
    await provision('bees', 'orchard', A)
    await provision('bees', 'meadow', B)
    await swap(A, C, hour(1))
    await swap(B, A, hour(1))
    await swap(C, B, hour(1))
    expect(await measured()).to.deep.equal(['A A (,2026-04-01 01)', 'A B [2026-04-01 01,)', 'B B (,2026-04-01 01)', 'B A [2026-04-01 01,)'])
    expect(
      await scratch.query(
        'SELECT asset_id, device_id, s.name FROM asset_assignments JOIN sites s ON s.id = site_id WHERE upper_inf(valid) ORDER BY 1',
      ),
    ).to.deep.equal([
      { asset_id: 'A', device_id: 'B', name: 'orchard' },
      { asset_id: 'B', device_id: 'A', name: 'meadow' },
    ])
    expect(await hives(hour(2))).to.equal(2)
  })

  it('puts a device that was taken off on another hive, which is one of its own', async () => {
    await provision('bees', 'orchard', A)
    await swap(A, B, hour(1))
    await moveDevices(database, [A], { account: 'bees', site: 'meadow' }, hour(5))
    expect(await hives(hour(2))).to.equal(1)
    expect(await hives(hour(6))).to.equal(2)
    await swap(A, C, hour(7))
    expect(await measured()).to.include.members(['A.2 A [2026-04-01 01,2026-04-01 07)', 'A.2 C [2026-04-01 07,)'])
    expect(await hives(hour(8))).to.equal(2)
    expect(await refusal(swap(B, A, hour(1)))).to.contain('A measures A.2')
  })

  it('keeps assignments within the time in which the device measured the hive', async () => {
    await provision('bees', 'orchard', A)
    await swap(A, B, hour(5))
    const move = (device: DeviceId, when: Date) =>
      moveDevices(database, [device], { account: 'bees', site: 'meadow' }, when).then(
        () => 'moved',
        (cause: unknown) => String(cause),
      )
    // It would be counted twice after the swap.
    expect(await move(A, hour(2))).to.contain('device A measures A only to 2026-04-01 05:00:00+00')
    expect(await move(B, hour(2))).to.contain('assigned elsewhere at that time or later')
    expect(await move(B, hour(6))).to.equal('moved')
    for (const hours of [1, 3, 5, 7]) expect(await hives(hour(hours))).to.equal(1)
    // What it is put on at once is another hive, at the same site.
    await moveDevices(database, [A], { account: 'bees', site: 'orchard' }, hour(5))
    expect(await hives(hour(7))).to.equal(2)
    await swap(B, C, hour(8))
    await swap(C, B, hour(8))
    expect(await hives(hour(9))).to.equal(2)
  })

  it('does both of two swaps at one time, or the one that comes first', async () => {
    await provision('bees', 'orchard', A)
    const outcomes = await Promise.allSettled(
      [B, C, B, D].map(async (replacement) => {
        await using own = createDatabase({ url: scratch.url, applicationName: 'test' })
        return await swapDevices(own, { old: A, replacement, at: hour(1), spare: false, fixes: [] })
      }),
    )
    const done = outcomes.filter((each) => each.status === 'fulfilled' && !each.value.repeated)
    expect(done).to.have.length(1)
    for (const each of outcomes) if (each.status === 'rejected') expect(each.reason).to.be.instanceOf(SwapError)
    expect(await measured()).to.have.length(2)
    expect(await hives(hour(2))).to.equal(1)
  })

  describe('and movement', () => {
    beforeEach(async () => {
      await provision('bees', null, A, B)
    })
    const states = () => scratch.query('SELECT asset_id, device_id, state, since FROM movement_states ORDER BY 1')
    const sites = async () => value('count(*)::int FROM sites')

    it('goes on from the track of the hive: no new state, no new site', async () => {
      await feed(A, at(orchard, 0, 12))
      const [before] = await states()
      await swap(A, B, hour(12))
      await feed(B, at(orchard, 12, 24, 2), 1)
      expect(await states()).to.deep.equal([{ ...before, device_id: 'B' }])
      expect(await value('count(*)::int FROM movements')).to.equal(1)
      // The old one is driven to the office, and lies there.
      await feed(A, at(office, 14, 24))
      expect(await states()).to.deep.equal([{ ...before, device_id: 'B' }])
      expect(await sites()).to.equal(1)
      for (const hours of [11, 12, 13, 36]) expect(await hives(hour(hours))).to.equal(1)
      // And the hive moves, by what the new one says.
      await feed(B, departure(36), 1)
      expect((await states()).map(({ asset_id, device_id, state }) => ({ asset_id, device_id, state }))).to.deep.equal([
        { asset_id: 'A', device_id: 'B', state: 'deployed' },
      ])
      expect(await sites()).to.equal(2)
      expect(await value('count(*)::int FROM movements WHERE asset_id = $1', 'A')).to.be.greaterThan(1)
    })

    it('takes back what the old device said of the time after a swap that is made known late', async () => {
      await feed(A, at(orchard, 0, 12))
      const before = await states()
      const late = [...at(orchard, 12, 24, 2)]
      // Nobody knows of the swap: the hive seems to go to the office, the new one to be a hive.
      for (const fixes of [at(office, 13, 12), at(office, 25, 12)]) await feed(A, fixes)
      await feed(B, late, 1)
      expect(await sites()).to.equal(2)
      expect((await states()).map(({ asset_id }) => asset_id)).to.deep.equal(['A', 'B'])
      await swap(A, B, hour(12), late.slice(0, 20))
      expect(await states()).to.deep.equal([{ ...before[0], device_id: 'B' }])
      for (const hours of [11, 12, 13, 20, 36]) expect(await hives(hour(hours)), `at ${hours}`).to.equal(1)
      expect(
        await scratch.query('SELECT device_id, lower(valid) AS since, upper(valid) AS until FROM assignments WHERE site_id IS NOT NULL'),
      ).to.have.length(2)
      // Repeats of both are late now.
      await feed(A, [...at(orchard, 0, 12), ...at(office, 13, 12)])
      await feed(B, late, 1)
      expect(await states()).to.deep.equal([{ ...before[0], device_id: 'B' }])
      expect(await value('count(*)::int FROM movements WHERE asset_id = $1', 'A')).to.equal(1)
    })

    it('follows what the new device sent before the swap was known: the hive has moved', async () => {
      await feed(A, at(orchard, 0, 12))
      const fixes = [...at(orchard, 12, 6), ...departure(18)]
      await swap(A, B, hour(12), fixes)
      expect((await states()).map(({ asset_id, device_id, state }) => ({ asset_id, device_id, state }))).to.deep.equal([
        { asset_id: 'A', device_id: 'B', state: 'deployed' },
      ])
      expect(await scratch.query('SELECT state FROM movements ORDER BY since')).to.deep.equal([
        { state: 'rest' },
        { state: 'transit' },
        { state: 'rest' },
      ])
      expect(await hives(hour(20))).to.equal(0)
      expect(await hives(hour(30))).to.equal(1)
    })

    it('finds a hive at rest whose device was swapped on arrival', async () => {
      await feed(A, at(orchard, 0, 3))
      await swap(A, B, hour(3))
      await feed(B, at(orchard, 3, 6, 2), 1)
      const [state] = await states()
      expect(state).to.deep.include({ asset_id: 'A', device_id: 'B', state: 'deployed' })
      expect(state?.since).to.be.below(hour(3))
      expect(await scratch.query('SELECT device_id FROM assignments WHERE site_id IS NOT NULL ORDER BY 1')).to.deep.equal([
        { device_id: 'A' },
        { device_id: 'B' },
      ])
      for (const hours of [1, 2, 3, 4]) expect(await hives(hour(hours)), `at ${hours}`).to.equal(1)
    })

    it('is swapped while instances are at work on both devices', async () => {
      await feed(A, at(orchard, 0, 12))
      const during = async (device: DeviceId, partition: number) => {
        for (let hours = 12; hours < 30; hours++) await feed(device, at(orchard, hours, 1, hours), partition)
      }
      await Promise.all([during(A, 0), during(B, 1), swap(A, B, hour(12))])
      await feed(B, at(orchard, 31, 8), 1)
      expect((await states()).map(({ asset_id, device_id, state }) => ({ asset_id, device_id, state }))).to.deep.equal([
        { asset_id: 'A', device_id: 'B', state: 'deployed' },
      ])
      expect(await hives(hour(35))).to.equal(1)
    })
  })

  it('hands rules of alerts on, and forgets what they remember of either device', async () => {
    await provision('bees', 'orchard', A, C)
    const rule = (devices: readonly DeviceId[] | null, name: string) =>
      scratch.query(`INSERT INTO alert_rules (account_id, name, kind, for_seconds, devices) VALUES (1, $1, 'silence', 60, $2)`, [
        name,
        devices,
      ])
    await rule([A, C], 'both')
    await rule([B, A], 'has it')
    await rule([C], 'other')
    await rule(null, 'all')
    await scratch.query(`INSERT INTO alert_state (rule_id, device_id, channel, at_micros) VALUES (1, 'A', '', 1), (1, 'C', '', 1)`)
    expect((await swap(A, B, hour(1))).rules).to.equal(2)
    expect((await scratch.query('SELECT devices FROM alert_rules ORDER BY id')).map(({ devices }) => devices)).to.deep.equal([
      [B, C],
      [B],
      [C],
      null,
    ])
    expect(await scratch.query('SELECT device_id FROM alert_state')).to.deep.equal([{ device_id: 'C' }])
    expect(await scratch.query('SELECT device_id, heard_at FROM alert_device')).to.deep.equal([{ device_id: 'B', heard_at: hour(1) }])
  })

  it('closes an open alert of the old device; the new one is silent if it is never heard', async () => {
    await provision('bees', 'orchard', A)
    await scratch.query(`INSERT INTO alert_rules (account_id, name, kind, for_seconds, devices) VALUES (1, 'silent', 'silence', 60, '{A}')`)
    await scratch.query(`INSERT INTO alert_device VALUES ('A', now() - interval '1 day')`)
    await scratch.query(
      `INSERT INTO process_listening VALUES ('alerts', now() - interval '2 days', now()) ON CONFLICT (process) DO UPDATE SET since = excluded.since, checked_at = now()`,
    )
    const look = () =>
      database.use(async (session) => {
        await session.script('looking', 'BEGIN')
        const tx = transactionOf(session, 'looking', processOutputs('alerts', alerts, new Map(), new Map())) as unknown as AlertTransaction
        await closeNoLongerWatched(tx)
        await openSilent(tx, 0)
        await session.commit('looking')
      })
    const written = () => scratch.query('SELECT device_id, closed_because FROM alerts ORDER BY recorded_at')
    await look()
    expect(await written()).to.deep.equal([{ device_id: 'A', closed_because: null }])
    await swap(A, B, new Date(Date.now() - 3_600_000))
    await look()
    const expected = [
      { device_id: 'A', closed_because: 'not_watched' },
      { device_id: 'B', closed_because: null },
    ]
    expect(await written()).to.deep.equal(expected)
    await look()
    expect(await written()).to.deep.equal(expected)
  })

  it('counts as a recomputation does, whatever is swapped, moved and taken back', async () => {
    const names = ['a', 'b', 'c', 'd', 'e'] as DeviceId[]
    const step = fc.record({
      kind: fc.constantFrom('swap', 'swap', 'back', 'move'),
      old: fc.nat(4),
      by: fc.nat(4),
      site: fc.nat(2),
      hours: fc.integer({ min: 1, max: 3 }),
    })
    let swaps = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 14 }), async (steps) => {
        await reset()
        await provision('bees', 'site 0', ...names.slice(0, 3))
        // What it must come to: hives, each with its sites in order of time. A swap changes none;
        // a device that was taken off and is put somewhere is a new hive.
        const sites = new Map<string, [number, number][]>(names.slice(0, 3).map((name) => [name, [[0, 0]]]))
        const on = new Map<DeviceId, string>(names.slice(0, 3).map((name) => [name, name]))
        let clock = 0
        let hivesMade = 0
        const done: { readonly old: DeviceId; readonly by: DeviceId; readonly when: Date; readonly clock: number }[] = []
        for (const { kind, old: index, by: other, site, hours } of steps) {
          clock += hours
          const [device, by] = [names[index], names[other]] as [DeviceId, DeviceId]
          if (kind === 'move') {
            if ((await value('count(*)::int FROM devices WHERE id = $1', device)) === 0) continue
            await moveDevices(database, [device], { account: 'bees', site: `site ${site}` }, hour(clock))
            const hive = on.get(device) ?? `new ${hivesMade++}`
            on.set(device, hive)
            sites.set(hive, [...(sites.get(hive) ?? []), [clock, site]])
            done.length = 0
          } else if (kind === 'swap') {
            const hive = on.get(device)
            if (hive === undefined || on.has(by)) {
              await refusal(swap(device, by, hour(clock)))
              continue
            }
            await swap(device, by, hour(clock))
            on.delete(device)
            on.set(by, hive)
            done.push({ old: device, by, when: hour(clock), clock })
            swaps++
          } else {
            const last = done.pop()
            if (last === undefined) continue
            await swap(last.by, last.old, last.when)
            on.set(last.old, on.get(last.by) ?? '')
            on.delete(last.by)
          }
        }
        for (let hours = 0; hours <= clock + 1; hours++) {
          const counts = [0, 0, 0]
          for (const stays of sites.values()) {
            const stay = stays.findLast(([since]) => since <= hours)
            if (stay !== undefined) counts[stay[1]] = (counts[stay[1]] ?? 0) + 1
          }
          const counted = await scratch.query('SELECT name, hives::int FROM hives_deployed($1) WHERE hives > 0 ORDER BY name', [
            hour(hours),
          ])
          expect(counted, `at ${hours}`).to.deep.equal(
            counts.flatMap((count, index) => (count === 0 ? [] : [{ name: `site ${index}`, hives: count }])),
          )
        }
        const twice = await scratch.query(
          `SELECT a.asset_id FROM asset_assignments a JOIN asset_assignments b ON b.asset_id = a.asset_id AND b.valid && a.valid AND b.device_id <> a.device_id`,
        )
        expect(twice).to.deep.equal([])
      }),
      { numRuns: 6, endOnFailure: true },
    )
    expect(swaps).to.be.greaterThan(0)
  })
})
