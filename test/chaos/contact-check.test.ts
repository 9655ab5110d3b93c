import { expect } from 'chai'
import { applyContact, type Contact, EXACT_TO_MICROS, type KnownContact } from '../../processors/contact/known-contact.ts'
import type { DeviceId } from '../../processors/contract.ts'
import { contactDifferences } from './contact-check.ts'

const contact: Contact = {
  received: 20_000_000,
  boot: 3,
  firmware: 'hive-1',
  sampleAt: 19_000_000,
  batteryVoltage: null,
  batteryLevel: { value: 80, at: 19_000_000 },
}
const known = (given: Partial<Contact> = {}): KnownContact => applyContact(undefined, { ...contact, ...given })
const hive = 'hive' as DeviceId
const wrong = (exact: KnownContact | undefined, row: KnownContact | null): readonly string[] =>
  contactDifferences(new Map(exact === undefined ? [] : [[hive, exact]]), new Map([[hive, row]]))

describe("what the table of contact is compared by, with all of a device's records", () => {
  it('lets it be behind by what need not be written yet', () => {
    expect(wrong(undefined, null)).to.deep.equal([])
    expect(wrong(known(), known())).to.deep.equal([])
    const later = { ...known(), received: contact.received + EXACT_TO_MICROS - 1 }
    expect(wrong(later, known())).to.deep.equal([])
    expect(wrong({ ...known(), received: contact.received + EXACT_TO_MICROS }, known())).to.have.length(1)
  })

  it('names the device that lacks a row, has one of nothing, or has another boot or firmware', () => {
    expect(wrong(known(), null)[0]).to.match(/^hive: device_contact lacks /)
    expect(wrong(undefined, known())[0]).to.match(/^hive: device_contact has, and no readings came/)
    for (const row of [{ ...known(), boot: 4 }, { ...known(), lowestBoot: 1 }, { ...known(), bootAt: 1 }, known({ firmware: 'hive-2' })])
      expect(wrong(known(), row), JSON.stringify(row)).to.have.length(1)
  })

  it('lets it never be ahead', () => {
    const { received } = contact
    for (const row of [
      known({ sampleAt: received }),
      known({ batteryLevel: { value: 80, at: received } }),
      { ...known(), received: received + 1 },
    ])
      expect(wrong(known(), row), JSON.stringify(row)).to.have.length(1)
  })
})
