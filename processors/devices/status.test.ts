import { expect } from 'chai'
import fc from 'fast-check'
import { applyStatus, type DeviceState, type DeviceStatus, type KnownStatus } from './status.ts'

const status = (received: number, state: DeviceState, boot: number | null = null, firmware: string | null = null): DeviceStatus => ({
  received,
  state,
  boot,
  firmware,
})
const known = (statuses: readonly DeviceStatus[], before?: KnownStatus) => statuses.reduce<KnownStatus | undefined>(applyStatus, before)
const anyStatus = fc.record({
  received: fc.nat(9),
  state: fc.constantFrom<DeviceState>('init', 'ready', 'sleeping', 'lost'),
  boot: fc.option(fc.nat(3)),
  firmware: fc.option(fc.constantFrom('hive-1', 'hive-2')),
})
const inTime = fc.array(anyStatus, { maxLength: 8 }).map((list) => list.sort((a, b) => a.received - b.received))

describe('what is known of a device', () => {
  it('is its last birth', () => {
    expect(known([status(1, 'ready', 4, 'hive-1'), status(2, 'ready', 5, 'hive-2')])).to.deep.equal({
      state: 'ready',
      boot: 5,
      firmware: 'hive-2',
      seenMicros: 2,
    })
  })

  it('is that it is lost, once the will of its boot came', () => {
    expect(known([status(1, 'ready', 4, 'hive-1'), status(2, 'lost', 4)])).to.deep.equal({
      state: 'lost',
      boot: 4,
      firmware: 'hive-1',
      seenMicros: 2,
    })
  })

  it('is not changed by the will of an older boot, which comes late', () => {
    const birth = status(2, 'ready', 5, 'hive-1')
    expect(known([status(1, 'ready', 4), birth, status(3, 'lost', 4)])).to.deep.equal(known([birth]))
  })

  it('takes a birth with a lower boot: the flash was reset', () => {
    expect(known([status(1, 'ready', 57), status(2, 'ready', 1)])).to.include({ boot: 1, state: 'ready' })
  })

  it('is not changed by the same statuses once more, as in a replay', () => {
    fc.assert(
      fc.property(inTime, (statuses) => {
        const distinct = statuses.filter(({ received }, index) => received !== statuses[index - 1]?.received)
        expect(known(distinct, known(distinct))).to.deep.equal(known(distinct))
      }),
    )
  })
})
