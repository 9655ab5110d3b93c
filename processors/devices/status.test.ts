import { expect } from 'chai'
import fc from 'fast-check'
import type { DeviceState } from '../../schemas/generated/device-status.ts'
import { applyStatus, type DeviceStatus, type KnownStatus } from './status.ts'

const status = (received: number, state: DeviceState, boot: number | null = null, firmware: string | null = null): DeviceStatus => ({
  received,
  state,
  boot,
  firmware,
  retained: false,
  offset: BigInt(received),
})
const retained = (received: number, state: DeviceState, boot: number | null = null): DeviceStatus => ({
  ...status(received, state, boot),
  retained: true,
})
const known = (statuses: readonly DeviceStatus[], before?: KnownStatus) => statuses.reduce<KnownStatus | undefined>(applyStatus, before)
const anyStatus = fc.record({
  received: fc.nat(9),
  retained: fc.boolean(),
  state: fc.constantFrom<DeviceState>('init', 'ready', 'sleeping', 'lost'),
  boot: fc.option(fc.nat(3)),
  firmware: fc.option(fc.constantFrom('hive-1', 'hive-2')),
})
const inOrder = fc.array(anyStatus, { maxLength: 8 }).map((list) => list.map((each, index) => ({ ...each, offset: BigInt(index) })))

describe('what is known of a device', () => {
  it('is its last birth', () => {
    expect(known([status(1, 'ready', 4, 'hive-1'), status(2, 'ready', 5, 'hive-2')])).to.deep.equal({
      state: 'ready',
      boot: 5,
      lowestBoot: 4,
      firmware: 'hive-2',
      seenMicros: 2,
      seenOffset: 2n,
    })
  })

  it('is that it is lost, once the will of its boot came', () => {
    expect(known([status(1, 'ready', 4, 'hive-1'), status(2, 'lost', 4)])).to.deep.equal({
      state: 'lost',
      boot: 4,
      lowestBoot: 4,
      firmware: 'hive-1',
      seenMicros: 2,
      seenOffset: 2n,
    })
  })

  it('is not changed by the will of an older boot, which comes late', () => {
    const birth = status(2, 'ready', 5, 'hive-1')
    expect(known([status(1, 'ready', 4), birth, status(3, 'lost', 4)])).to.deep.equal(known([status(1, 'ready', 4), birth]))
  })

  it('takes a birth with a lower boot: the flash was reset', () => {
    expect(known([status(1, 'ready', 57), status(2, 'ready', 1)])).to.include({ boot: 1, state: 'ready' })
  })

  it('goes on with the next status if the clock of the bridge was fast, and is set right', () => {
    const fast = { ...status(1, 'ready', 4), received: 30 }
    expect(known([fast, status(2, 'sleeping', 4)])).to.include({ state: 'sleeping', seenMicros: 2 })
  })

  it('goes on in a new topic, or another partition, of which the offsets begin anew', () => {
    expect(known([{ ...status(7, 'ready', 4), offset: 1_000n }, status(8, 'sleeping', 4)])).to.include({ state: 'sleeping' })
  })

  it('is not changed by a status that a redrive brings late', () => {
    expect(known([status(2, 'sleeping', 4), status(1, 'ready', 4)])).to.include({ state: 'sleeping' })
  })

  it('is taken from before offsets were noted', () => {
    const before = { state: 'ready', boot: 4, lowestBoot: null, firmware: null, seenMicros: 5, seenOffset: null } as const
    expect(known([status(4, 'lost', 4)], before)).to.equal(before)
    expect(known([status(5, 'lost', 4)], before)).to.include({ state: 'lost', seenOffset: 5n })
  })

  const old: readonly (readonly [string, DeviceStatus, DeviceStatus, DeviceState])[] = [
    ['a birth of an older boot', status(1, 'sleeping', 8), retained(2, 'ready', 7), 'sleeping'],
    ['a birth of this boot', status(1, 'sleeping', 8), retained(2, 'ready', 8), 'sleeping'],
    ['a birth of this boot after its will', status(1, 'lost', 8), retained(2, 'ready', 8), 'lost'],
    ['a birth without a boot', status(1, 'sleeping', 8), retained(2, 'ready'), 'sleeping'],
    ['a birth of a device that counts no boots', status(1, 'sleeping'), retained(2, 'ready'), 'sleeping'],
    ['the will of an older boot', status(1, 'ready', 8), retained(2, 'lost', 7), 'ready'],
    ['the will of this boot', status(1, 'ready', 8), retained(2, 'lost', 8), 'lost'],
    ['the will of a device that counts no boots', status(1, 'ready'), retained(2, 'lost'), 'lost'],
    ['a birth of a later boot', status(1, 'lost', 8), retained(2, 'ready', 9), 'ready'],
  ]
  for (const [what, before, met, state] of old) {
    it(`is ${state} after ${before.state} when the broker had retained ${what}`, () => {
      expect(known([before, met])).to.include({ state })
    })
  }

  it('is what the broker had retained if nothing else is known', () => {
    expect(known([retained(1, 'sleeping', 8)])).to.include({ state: 'sleeping', boot: 8 })
  })

  it('is not turned back by live statuses of boots that are over, which a broker gives again after a crash', () => {
    const lived = [1089, 1200, 1377].map((boot, index) => status(index, 'ready', boot))
    expect(known([...lived, status(3, 'sleeping', 1377), status(4, 'ready', 1089), status(5, 'ready', 1300)])).to.include({
      boot: 1377,
      state: 'sleeping',
    })
  })

  it('takes a boot below all that were seen for a reset, and counts from there', () => {
    const reset = [status(1, 'ready', 57), status(2, 'ready', 60), status(3, 'ready', 5)]
    expect(known(reset)).to.include({ boot: 5, lowestBoot: 5 })
    expect(known([...reset, status(4, 'ready', 6), status(5, 'sleeping', 5)])).to.include({ boot: 6, state: 'ready' })
  })

  it('is not changed by the same statuses once more, as in a replay, if the clock went on between them', () => {
    fc.assert(
      fc.property(inOrder, (statuses) => {
        const forward = statuses.map((each, index) => ({ ...each, received: index }))
        expect(known(forward, known(forward))).to.deep.equal(known(forward))
      }),
    )
  })

  it('is that of the last status that counts, whatever the clock did between them', () => {
    fc.assert(
      fc.property(inOrder, (statuses) => {
        const forward = statuses.map((each, index) => ({ ...each, received: index }))
        const { seenMicros: _, ...expected } = known(forward) ?? { seenMicros: 0 }
        expect(known(statuses) ?? {}).to.deep.include(expected)
      }),
    )
  })
})
