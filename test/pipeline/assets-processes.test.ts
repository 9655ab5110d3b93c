import { expect } from 'chai'
import { processOutputs, transactionOf } from '../../connectors/postgres/outbox.ts'
import { businessProcess as alerts } from '../../processors/alerts/process.ts'
import { closeNoLongerWatched, openSilent } from '../../processors/alerts/silence.ts'
import type { AlertTransaction } from '../../processors/alerts/writing.ts'
import type { DeviceId } from '../../processors/contract.ts'
import type { Position } from '../../processors/movement/distance.ts'
import { moved, trace } from '../../processors/movement/traces.ts'
import type { Fix } from '../../processors/movement/track.ts'
import { A, AssetRig, B, C, HOUR_MICROS, hour, START } from './asset-rig.ts'

const DAY = 1440
const yard: Position = { latitude: 51.4, longitude: 7.1 }
const orchard = moved(yard, 40_000, 1)
const office = moved(yard, 25_000, 4)
const quiet = { intervalMinutes: 60, driftMetres: 15, jumps: 0, missing: 0 }
const at = (place: Position, fromHour: number, hours: number, seed = 1): readonly Fix[] =>
  trace(START + fromHour * HOUR_MICROS, [{ untilMinute: hours * 60, at: place }], { ...quiet, seed })
/** An hour more at the orchard, two on the road, then at the yard. */
const departure = (fromHour: number): readonly Fix[] =>
  trace(START + fromHour * HOUR_MICROS, [{ untilMinute: 60, at: orchard }, { untilMinute: 180 }, { untilMinute: DAY, at: yard }], {
    ...quiet,
    intervalMinutes: 20,
    seed: 3,
  })

describe('business processes and device swaps', () => {
  let rig: AssetRig

  before(async () => {
    rig = await AssetRig.open()
  })

  after(() => rig[Symbol.asyncDispose]())

  beforeEach(() => rig.reset())

  describe('movement', () => {
    beforeEach(async () => {
      await rig.provision('bees', null, A, B)
    })
    const states = () => rig.scratch.query('SELECT asset_id, device_id, state, since FROM movement_states ORDER BY 1')
    const sites = async () => rig.value('count(*)::int FROM sites')

    it('goes on from the track of the hive: no new state, no new site', async () => {
      await rig.feed(A, at(orchard, 0, 12))
      const [before] = await states()
      await rig.swap(A, B, hour(12))
      await rig.feed(B, at(orchard, 12, 24, 2), 1)
      expect(await states()).to.deep.equal([{ ...before, device_id: 'B' }])
      expect(await rig.value('count(*)::int FROM movements')).to.equal(1)
      // The old one is driven to the office, and lies there.
      await rig.feed(A, at(office, 14, 24))
      expect(await states()).to.deep.equal([{ ...before, device_id: 'B' }])
      expect(await sites()).to.equal(1)
      for (const hours of [11, 12, 13, 36]) expect(await rig.hives(hour(hours))).to.equal(1)
      // And the hive moves, by what the new one says.
      await rig.feed(B, departure(36), 1)
      expect((await states()).map(({ asset_id, device_id, state }) => ({ asset_id, device_id, state }))).to.deep.equal([
        { asset_id: 'A', device_id: 'B', state: 'deployed' },
      ])
      expect(await sites()).to.equal(2)
      expect(await rig.value('count(*)::int FROM movements WHERE asset_id = $1', 'A')).to.be.greaterThan(1)
    })

    it('takes back what the old device said of the time after a swap that is made known late', async () => {
      await rig.feed(A, at(orchard, 0, 12))
      const before = await states()
      const late = [...at(orchard, 12, 24, 2)]
      // Nobody knows of the swap: the hive seems to go to the office, the new one to be a hive.
      for (const fixes of [at(office, 13, 12), at(office, 25, 12)]) await rig.feed(A, fixes)
      await rig.feed(B, late, 1)
      expect(await sites()).to.equal(2)
      expect((await states()).map(({ asset_id }) => asset_id)).to.deep.equal(['A', 'B'])
      await rig.swap(A, B, hour(12), late.slice(0, 20))
      expect(await states()).to.deep.equal([{ ...before[0], device_id: 'B' }])
      for (const hours of [11, 12, 13, 20, 36]) expect(await rig.hives(hour(hours)), `at ${hours}`).to.equal(1)
      expect(
        await rig.scratch.query(
          'SELECT device_id, lower(valid) AS since, upper(valid) AS until FROM assignments WHERE site_id IS NOT NULL',
        ),
      ).to.have.length(2)
      // Repeats of both are late now.
      await rig.feed(A, [...at(orchard, 0, 12), ...at(office, 13, 12)])
      await rig.feed(B, late, 1)
      expect(await states()).to.deep.equal([{ ...before[0], device_id: 'B' }])
      expect(await rig.value('count(*)::int FROM movements WHERE asset_id = $1', 'A')).to.equal(1)
    })

    it('follows what the new device sent before the swap was known: the hive has moved', async () => {
      await rig.feed(A, at(orchard, 0, 12))
      const fixes = [...at(orchard, 12, 6), ...departure(18)]
      await rig.swap(A, B, hour(12), fixes)
      expect((await states()).map(({ asset_id, device_id, state }) => ({ asset_id, device_id, state }))).to.deep.equal([
        { asset_id: 'A', device_id: 'B', state: 'deployed' },
      ])
      expect(await rig.scratch.query('SELECT state FROM movements ORDER BY since')).to.deep.equal([
        { state: 'rest' },
        { state: 'transit' },
        { state: 'rest' },
      ])
      expect(await rig.hives(hour(20))).to.equal(0)
      expect(await rig.hives(hour(30))).to.equal(1)
    })

    it('finds a hive at rest whose device was swapped on arrival', async () => {
      await rig.feed(A, at(orchard, 0, 3))
      await rig.swap(A, B, hour(3))
      await rig.feed(B, at(orchard, 3, 6, 2), 1)
      const [state] = await states()
      expect(state).to.deep.include({ asset_id: 'A', device_id: 'B', state: 'deployed' })
      expect(state?.since).to.be.below(hour(3))
      expect(await rig.scratch.query('SELECT device_id FROM assignments WHERE site_id IS NOT NULL ORDER BY 1')).to.deep.equal([
        { device_id: 'A' },
        { device_id: 'B' },
      ])
      for (const hours of [1, 2, 3, 4]) expect(await rig.hives(hour(hours)), `at ${hours}`).to.equal(1)
    })

    it('is swapped while instances are at work on both devices', async () => {
      await rig.feed(A, at(orchard, 0, 12))
      const during = async (device: DeviceId, partition: 0 | 1) => {
        for (let hours = 12; hours < 30; hours++) await rig.feed(device, at(orchard, hours, 1, hours), partition)
      }
      await Promise.all([during(A, 0), during(B, 1), rig.swap(A, B, hour(12))])
      await rig.feed(B, at(orchard, 31, 8), 1)
      expect((await states()).map(({ asset_id, device_id, state }) => ({ asset_id, device_id, state }))).to.deep.equal([
        { asset_id: 'A', device_id: 'B', state: 'deployed' },
      ])
      expect(await rig.hives(hour(35))).to.equal(1)
    })
  })

  describe('alerts', () => {
    it('have their rules handed on, and what they remember of either device is forgotten', async () => {
      await rig.provision('bees', 'orchard', A, C)
      const rule = (devices: readonly DeviceId[] | null, name: string) =>
        rig.scratch.query(`INSERT INTO alert_rules (account_id, name, kind, for_seconds, devices) VALUES (1, $1, 'silence', 60, $2)`, [
          name,
          devices,
        ])
      await rule([A, C], 'both')
      await rule([B, A], 'has it')
      await rule([C], 'other')
      await rule(null, 'all')
      await rig.scratch.query(`INSERT INTO alert_state (rule_id, device_id, channel, at_micros) VALUES (1, 'A', '', 1), (1, 'C', '', 1)`)
      expect((await rig.swap(A, B, hour(1))).rules).to.equal(2)
      expect((await rig.scratch.query('SELECT devices FROM alert_rules ORDER BY id')).map(({ devices }) => devices)).to.deep.equal([
        [B, C],
        [B],
        [C],
        null,
      ])
      expect(await rig.scratch.query('SELECT device_id FROM alert_state')).to.deep.equal([{ device_id: 'C' }])
      expect(await rig.scratch.query('SELECT device_id, heard_at FROM alert_device')).to.deep.equal([{ device_id: 'B', heard_at: hour(1) }])
    })

    it('are closed of the old device; the new one is silent if it is never heard', async () => {
      await rig.provision('bees', 'orchard', A)
      await rig.scratch.query(
        `INSERT INTO alert_rules (account_id, name, kind, for_seconds, devices) VALUES (1, 'silent', 'silence', 60, '{A}')`,
      )
      await rig.scratch.query(`INSERT INTO alert_device VALUES ('A', now() - interval '1 day')`)
      await rig.scratch.query(
        `INSERT INTO process_listening VALUES ('alerts', now() - interval '2 days', now()) ON CONFLICT (process) DO UPDATE SET since = excluded.since, checked_at = now()`,
      )
      const look = () =>
        rig.database.use(async (session) => {
          await session.script('looking', 'BEGIN')
          const tx = transactionOf(
            session,
            'looking',
            processOutputs('alerts', alerts, new Map(), new Map()),
          ) as unknown as AlertTransaction
          await closeNoLongerWatched(tx)
          await openSilent(tx, 0)
          await session.commit('looking')
        })
      const written = () => rig.scratch.query('SELECT device_id, closed_because FROM alerts ORDER BY recorded_at')
      await look()
      expect(await written()).to.deep.equal([{ device_id: 'A', closed_because: null }])
      await rig.swap(A, B, new Date(Date.now() - 3_600_000))
      await look()
      const expected = [
        { device_id: 'A', closed_because: 'not_watched' },
        { device_id: 'B', closed_because: null },
      ]
      expect(await written()).to.deep.equal(expected)
      await look()
      expect(await written()).to.deep.equal(expected)
    })
  })
})
