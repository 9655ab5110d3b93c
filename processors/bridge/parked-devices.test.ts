import { expect } from 'chai'
import fc from 'fast-check'
import type { DeviceId } from '../contract.ts'
import { type Parked, ParkedDevices } from './parked-devices.ts'

const limits = { deviceMessages: 3, deviceBytes: 100, messages: 5, bytes: 200 }
const entry = (number: number, bytes = 1): Parked => ({
  message: { topic: '', payload: Buffer.alloc(bytes), retain: false, receivedMs: 0 },
  parkedMs: number,
  number,
})
const [a, b, c] = ['a', 'b', 'c'] as DeviceId[] as [DeviceId, DeviceId, DeviceId]

describe('parked devices', () => {
  it("give back each device's messages in order, and nothing past one that waits", () => {
    const arrival = fc.record({ device: fc.constantFrom(a, b, c), waits: fc.boolean() })
    fc.assert(
      fc.property(fc.array(arrival), (arrivals) => {
        const parked = new ParkedDevices<Parked>({ deviceMessages: 1_000, deviceBytes: 1e6, messages: 1_000, bytes: 1e6 })
        for (const [index, { device }] of arrivals.entries()) parked.add(device, entry(index))
        const taken = new Set(parked.take(({ number }) => arrivals[number]?.waits === false).map(({ number }) => number))
        for (const device of [a, b, c]) {
          const own = [...arrivals.entries()].filter(([, each]) => each.device === device)
          const until = own.findIndex(([, { waits }]) => waits)
          const expected = until < 0 ? own : own.slice(0, until)
          expect(own.filter(([index]) => taken.has(index))).to.deep.equal(expected)
          expect(parked.has(device)).to.equal(until >= 0)
        }
        expect(parked.size).to.equal(arrivals.length - taken.size)
        parked.take(() => true)
        expect([parked.size, parked.oldestMs()]).to.deep.equal([0, undefined])
      }),
    )
  })

  it('say when one device, or all together, have too much', () => {
    const parked = new ParkedDevices<Parked>(limits)
    expect(parked.full(a, 500)).to.equal('all')
    for (let number = 0; number < 3; number++) parked.add(a, entry(number))
    expect([parked.full(a, 1), parked.full(b, 1)]).to.deep.equal(['device', undefined])
    parked.add(b, entry(3, 90))
    expect([parked.full(b, 20), parked.full(c, 20), parked.full(c, 120)]).to.deep.equal(['device', undefined, 'all'])
    parked.add(c, entry(4))
    expect(parked.full('d' as DeviceId, 1)).to.equal('all')
    expect(parked.oldestMs()).to.equal(0)
  })
})
