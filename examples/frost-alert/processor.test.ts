import { expect } from 'chai'
import fc from 'fast-check'
import type { Assignment, Lookups } from '../../processors/contract.ts'
import { quantities, type Reading } from '../../schemas/generated/readings.ts'
import { processor } from './processor.ts'

const TS = 1_764_400_000_000_000
const assigned: Assignment = { fromMicros: TS, toMicros: Infinity, accountId: 7, siteId: 9 }

function reading(temperature: number | null, own: Partial<Reading> = {}): Reading {
  const none = Object.fromEntries(quantities.map(({ name }) => [name, null])) as Record<(typeof quantities)[number]['name'], null>
  const head = { device_id: 'hive-1', firmware: 'hive-1', boot: 1, seq: 2 }
  return { ...head, ts: TS, time_estimated: false, account_id: 1, site_id: 2, ...none, temperature, ...own }
}

const handle = (input: Reading, assignments?: readonly Assignment[]): unknown =>
  processor.handle(input, { assignments: () => assignments } as unknown as Lookups)

describe('frost-alert', () => {
  it('emits an alert for a sample below zero, with what is known of it', () => {
    expect(handle(reading(-0.01))).to.deep.equal({
      tag: 'emit',
      to: 'alerts',
      value: { device_id: 'hive-1', ts: TS, time_estimated: false, temperature: -0.01, account_id: 1, site_id: 2 },
    })
  })

  it('leaves out what is at zero or above, or has no temperature, and counts why', () => {
    expect(handle(reading(0))).to.deep.equal({ tag: 'drop', reason: 'no-frost' })
    expect(handle(reading(34.2))).to.deep.equal({ tag: 'drop', reason: 'no-frost' })
    expect(handle(reading(null))).to.deep.equal({ tag: 'drop', reason: 'no-temperature' })
  })

  it('asks whose the device was if the sample does not say, and rejects it if nobody was there', () => {
    const orphan = reading(-5, { account_id: null, site_id: null })
    expect(handle(orphan, [assigned])).to.deep.include({ tag: 'emit' })
    expect(handle(orphan, [assigned])).to.have.nested.include({ 'value.account_id': 7, 'value.site_id': 9 })
    for (const assignments of [undefined, [], [{ ...assigned, fromMicros: TS + 1 }], [{ ...assigned, fromMicros: 0, toMicros: TS }]])
      expect(handle(orphan, assignments)).to.deep.include({ tag: 'reject', reason: 'nobody-to-alert' })
  })

  it('asks for the device of a channel', () => {
    const asked: string[] = []
    const lookups = { assignments: (device: string) => void asked.push(device) } as unknown as Lookups
    processor.handle(reading(-5, { device_id: 'hive-1/brood', account_id: null, site_id: null }), lookups)
    expect(asked).to.deep.equal(['hive-1'])
  })

  it('says the same of a sample whenever it is asked, whatever it was asked before', () => {
    const temperatures = fc.array(fc.option(fc.double({ min: -60, max: 200, noNaN: true })), { minLength: 1 })
    fc.assert(
      fc.property(temperatures, (some) => {
        const first = some.map((temperature) => handle(reading(temperature)))
        expect([...some].reverse().map((temperature) => handle(reading(temperature)))).to.deep.equal(first.reverse())
      }),
    )
  })
})
