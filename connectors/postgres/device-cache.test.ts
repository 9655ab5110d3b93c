import { expect } from 'chai'
import fc from 'fast-check'
import type { Assignment, DeviceId } from '../../processors/contract.ts'
import { DeviceCache } from './device-cache.ts'

const id = (name: string): DeviceId => name as DeviceId
const ids = (...names: string[]): ReadonlySet<DeviceId> => new Set(names.map(id))
const assigned: readonly Assignment[] = [{ fromMicros: 0, toMicros: Number.POSITIVE_INFINITY, accountId: 1, siteId: null }]

describe('the device cache', () => {
  let nowMs = 0
  const cache = (unknownLimit = 100): DeviceCache => new DeviceCache({ unknownMs: 1000, unknownLimit, now: () => nowMs })

  beforeEach(() => {
    nowMs = 0
  })

  it('asks for what it does not know, and not again for what was found', () => {
    const devices = cache()
    expect(devices.missing(ids('a', 'b'))).to.deep.equal(['a', 'b'])
    devices.replace(['a'], new Map([[id('a'), assigned]]))
    expect(devices.missing(ids('a', 'b'))).to.deep.equal(['b'])
    expect(devices.assignments(id('a'))).to.equal(assigned)
  })

  it('asks again for an unknown device after a second', () => {
    const devices = cache()
    devices.replace(['a'], new Map())
    expect(devices.missing(ids('a'))).to.deep.equal([])
    expect(devices.assignments(id('a'))).to.equal(undefined)
    nowMs = 1000
    expect(devices.missing(ids('a'))).to.deep.equal(['a'])
  })

  it('forgets a device that was deleted', () => {
    const devices = cache()
    devices.replaceAll(new Map([[id('a'), assigned]]))
    devices.replace(['a'], new Map())
    expect(devices.assignments(id('a'))).to.equal(undefined)
  })

  it('collects what notifications name until it is taken', () => {
    const devices = cache()
    devices.notified('a,b')
    devices.notified('b')
    expect(devices.takeStale()).to.deep.equal({ tag: 'devices', devices: ['a', 'b'] })
    expect(devices.takeStale()).to.deep.equal({ tag: 'nothing' })
    devices.notified('a')
    devices.notified('*')
    expect(devices.takeStale()).to.deep.equal({ tag: 'everything' })
    expect(devices.takeStale()).to.deep.equal({ tag: 'nothing' })
  })

  it('remembers no more unknown devices than it may, the latest ones', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1 }), fc.integer({ min: 1, max: 5 }), (names, limit) => {
        const devices = cache(limit)
        for (const name of names) devices.replace([name], new Map())
        expect(devices.missing(new Set(names.map(id)))).to.deep.equal(names.slice(0, Math.max(0, names.length - limit)))
      }),
    )
  })
})
