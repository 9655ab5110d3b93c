import { expect } from 'chai'
import fc from 'fast-check'
import { SwapError } from '../../connectors/postgres/asset-checks.ts'
import { swapDevices } from '../../connectors/postgres/asset-swap.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { moveDevices } from '../../connectors/postgres/devices.ts'
import type { DeviceId } from '../../processors/contract.ts'
import { A, AssetRig, B, C, D, hour } from './asset-rig.ts'

describe('device swaps', () => {
  let rig: AssetRig

  before(async () => {
    rig = await AssetRig.open()
  })

  after(() => rig[Symbol.asyncDispose]())

  beforeEach(() => rig.reset())

  it('hands on what is measured, and all assignments from then on; a repeat changes nothing', async () => {
    await rig.provision('bees', 'orchard', A)
    await moveDevices(rig.database, [A], { account: 'bees', site: 'meadow' }, hour(48))
    expect(await rig.swap(A, B, hour(24))).to.deep.equal({ repeated: false, asset: 'A', at: hour(24), ended: 0, rules: 0 })
    const written = async () =>
      rig.scratch.query(
        'SELECT device_id, s.name, lower(valid) AS since, upper(valid) AS until FROM assignments JOIN sites s ON s.id = site_id ORDER BY 3 NULLS FIRST',
      )
    const expected = [
      { device_id: 'A', name: 'orchard', since: null, until: hour(24) },
      { device_id: 'B', name: 'orchard', since: hour(24), until: hour(48) },
      { device_id: 'B', name: 'meadow', since: hour(48), until: null },
    ]
    expect(await written()).to.deep.equal(expected)
    expect(await rig.measured()).to.deep.equal(['A A (,2026-04-02 00)', 'A B [2026-04-02 00,)'])
    for (const hours of [0, 23, 24, 25, 47, 48, 49]) expect(await rig.hives(hour(hours)), `at ${hours}`).to.equal(1)
    // The sum never dipped: nothing changed at the swap.
    expect((await rig.scratch.query('SELECT at FROM deployment_history ORDER BY at')).map((row) => row.at)).to.deep.equal([
      Number.NEGATIVE_INFINITY,
      hour(48),
      hour(48),
    ])
    for (const when of [hour(24), null])
      expect(await rig.swap(A, B, when)).to.deep.equal({ repeated: true, asset: 'A', at: hour(24), ended: 0, rules: 0 })
    expect(await written()).to.deep.equal(expected)
    expect(
      await rig.scratch.query('SELECT device_id, since, account_id, site_id FROM recompute_ranges ORDER BY device_id, since'),
      'readings that were enriched otherwise',
    ).to.deep.equal([
      { device_id: 'A', since: hour(24), account_id: null, site_id: null },
      { device_id: 'B', since: hour(24), account_id: 1n, site_id: 1n },
      { device_id: 'B', since: hour(48), account_id: 1n, site_id: 2n },
    ])
  })

  it('refuses what makes no sense, says why, and changes nothing', async () => {
    await rig.provision('bees', 'orchard', A)
    await rig.provision('bees', 'meadow', B)
    await rig.provision('others', null, C)
    expect(await rig.refusal(rig.swap(D, A, null))).to.contain('device D is not known')
    expect(await rig.refusal(rig.swap(A, A, null))).to.contain('two devices')
    expect(await rig.refusal(rig.swap(A, D, new Date(Date.now() + 60_000)))).to.contain('--at: expected a time that has been')
    expect(await rig.refusal(rig.swap(A, C, hour(1))))
      .to.contain('account "others"')
      .and.to.contain('account "bees"')
    expect(await rig.refusal(rig.swap(A, B, hour(1))))
      .to.contain('site "meadow"')
      .and.to.contain('--spare')
    expect(await rig.measured()).to.deep.equal([])
    expect(await rig.value('count(*)::int FROM devices')).to.equal(3)
    await rig.swap(A, D, hour(5))
    expect(await rig.refusal(rig.swap(A, 'E' as DeviceId, hour(6))))
      .to.contain('measures nothing at')
      .and.to.contain('for D')
    expect(await rig.refusal(rig.swap(A, 'E' as DeviceId, hour(4)))).to.contain('D takes its place then')
    expect(await rig.refusal(rig.swap(B, D, hour(4)))).to.contain('device D measures A since')
  })

  it('goes along a chain of devices, and back', async () => {
    await rig.provision('bees', 'orchard', A)
    await rig.swap(A, B, hour(1))
    await rig.swap(B, C, hour(2))
    await rig.swap(C, A, hour(3))
    expect(await rig.measured()).to.deep.equal([
      'A A (,2026-04-01 01)',
      'A B [2026-04-01 01,2026-04-01 02)',
      'A C [2026-04-01 02,2026-04-01 03)',
      'A A [2026-04-01 03,)',
    ])
    expect(
      await rig.value('string_agg(asset_id, $1 ORDER BY lower(valid) NULLS FIRST) FROM asset_periods WHERE device_id = $2', ' ', 'B'),
    ).to.equal('B A B.2')
    for (const hours of [0, 1, 2, 3, 4]) expect(await rig.hives(hour(hours))).to.equal(1)
    await rig.swap(A, C, hour(3))
    await rig.swap(C, B, hour(2))
    await rig.swap(B, A, hour(1))
    expect(await rig.measured()).to.deep.equal([])
    expect(await rig.scratch.query('SELECT device_id, valid::text FROM assignments')).to.deep.equal([{ device_id: 'A', valid: '(,)' }])
    expect((await rig.swap(B, A, hour(1))).repeated).to.equal(true)
  })

  it('gives a spare back what it had, if the swap is taken back', async () => {
    await rig.provision('bees', 'orchard', A)
    await rig.provision('bees', 'shelf', B)
    expect((await rig.swap(A, B, hour(1), [], true)).ended).to.equal(1)
    expect(await rig.hives(hour(2))).to.equal(1)
    await rig.swap(B, A, hour(1))
    expect(
      await rig.scratch.query('SELECT device_id, s.name FROM assignments JOIN sites s ON s.id = site_id WHERE upper_inf(valid) ORDER BY 1'),
    ).to.deep.equal([
      { device_id: 'A', name: 'orchard' },
      { device_id: 'B', name: 'shelf' },
    ])
    for (const hours of [0, 2]) expect(await rig.hives(hour(hours))).to.equal(2)
  })

  it('exchanges the devices of two hives by way of a name that nobody has', async () => {
    await rig.provision('bees', 'orchard', A)
    await rig.provision('bees', 'meadow', B)
    await rig.swap(A, C, hour(1))
    await rig.swap(B, A, hour(1))
    await rig.swap(C, B, hour(1))
    expect(await rig.measured()).to.deep.equal([
      'A A (,2026-04-01 01)',
      'A B [2026-04-01 01,)',
      'B B (,2026-04-01 01)',
      'B A [2026-04-01 01,)',
    ])
    expect(
      await rig.scratch.query(
        'SELECT asset_id, device_id, s.name FROM asset_assignments JOIN sites s ON s.id = site_id WHERE upper_inf(valid) ORDER BY 1',
      ),
    ).to.deep.equal([
      { asset_id: 'A', device_id: 'B', name: 'orchard' },
      { asset_id: 'B', device_id: 'A', name: 'meadow' },
    ])
    expect(await rig.hives(hour(2))).to.equal(2)
  })

  it('puts a device that was taken off on another hive, which is one of its own', async () => {
    await rig.provision('bees', 'orchard', A)
    await rig.swap(A, B, hour(1))
    await moveDevices(rig.database, [A], { account: 'bees', site: 'meadow' }, hour(5))
    expect(await rig.hives(hour(2))).to.equal(1)
    expect(await rig.hives(hour(6))).to.equal(2)
    await rig.swap(A, C, hour(7))
    expect(await rig.measured()).to.include.members(['A.2 A [2026-04-01 01,2026-04-01 07)', 'A.2 C [2026-04-01 07,)'])
    expect(await rig.hives(hour(8))).to.equal(2)
    expect(await rig.refusal(rig.swap(B, A, hour(1)))).to.contain('A measures A.2')
  })

  it('keeps assignments within the time in which the device measured the hive', async () => {
    await rig.provision('bees', 'orchard', A)
    await rig.swap(A, B, hour(5))
    const move = (device: DeviceId, when: Date) =>
      moveDevices(rig.database, [device], { account: 'bees', site: 'meadow' }, when).then(
        () => 'moved',
        (cause: unknown) => String(cause),
      )
    // It would be counted twice after the swap.
    expect(await move(A, hour(2))).to.contain('device A measures A only to 2026-04-01 05:00:00+00')
    expect(await move(B, hour(2))).to.contain('assigned elsewhere at that time or later')
    expect(await move(B, hour(6))).to.equal('moved')
    for (const hours of [1, 3, 5, 7]) expect(await rig.hives(hour(hours))).to.equal(1)
    // What it is put on at once is another hive, at the same site.
    await moveDevices(rig.database, [A], { account: 'bees', site: 'orchard' }, hour(5))
    expect(await rig.hives(hour(7))).to.equal(2)
    await rig.swap(B, C, hour(8))
    await rig.swap(C, B, hour(8))
    expect(await rig.hives(hour(9))).to.equal(2)
  })

  it('does both of two swaps at one time, or the one that comes first', async () => {
    await rig.provision('bees', 'orchard', A)
    const outcomes = await Promise.allSettled(
      [B, C, B, D].map(async (replacement) => {
        await using own = createDatabase({ url: rig.scratch.url, applicationName: 'test' })
        return await swapDevices(own, { old: A, replacement, at: hour(1), spare: false, fixes: [] })
      }),
    )
    const done = outcomes.filter((each) => each.status === 'fulfilled' && !each.value.repeated)
    expect(done).to.have.length(1)
    for (const each of outcomes) if (each.status === 'rejected') expect(each.reason).to.be.instanceOf(SwapError)
    expect(await rig.measured()).to.have.length(2)
    expect(await rig.hives(hour(2))).to.equal(1)
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
        await rig.reset()
        await rig.provision('bees', 'site 0', ...names.slice(0, 3))
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
            if ((await rig.value('count(*)::int FROM devices WHERE id = $1', device)) === 0) continue
            await moveDevices(rig.database, [device], { account: 'bees', site: `site ${site}` }, hour(clock))
            const hive = on.get(device) ?? `new ${hivesMade++}`
            on.set(device, hive)
            sites.set(hive, [...(sites.get(hive) ?? []), [clock, site]])
            done.length = 0
          } else if (kind === 'swap') {
            const hive = on.get(device)
            if (hive === undefined || on.has(by)) {
              await rig.refusal(rig.swap(device, by, hour(clock)))
              continue
            }
            await rig.swap(device, by, hour(clock))
            on.delete(device)
            on.set(by, hive)
            done.push({ old: device, by, when: hour(clock), clock })
            swaps++
          } else {
            const last = done.pop()
            if (last === undefined) continue
            await rig.swap(last.by, last.old, last.when)
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
          const counted = await rig.scratch.query('SELECT name, hives::int FROM hives_deployed($1) WHERE hives > 0 ORDER BY name', [
            hour(hours),
          ])
          expect(counted, `at ${hours}`).to.deep.equal(
            counts.flatMap((count, index) => (count === 0 ? [] : [{ name: `site ${index}`, hives: count }])),
          )
        }
        const twice = await rig.scratch.query(
          `SELECT a.asset_id FROM asset_assignments a JOIN asset_assignments b ON b.asset_id = a.asset_id AND b.valid && a.valid AND b.device_id <> a.device_id`,
        )
        expect(twice).to.deep.equal([])
      }),
      { numRuns: 6, endOnFailure: true },
    )
    expect(swaps).to.be.greaterThan(0)
  })
})
