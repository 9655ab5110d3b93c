import { expect } from 'chai'
import fc from 'fast-check'
import { applyContact, type Contact, EXACT_TO_MICROS, isDue, type KnownContact } from './known-contact.ts'

const contact = (received: number, given: Partial<Contact> = {}): Contact => ({
  received,
  boot: 1,
  firmware: 'hive-1',
  sampleAt: received,
  batteryVoltage: null,
  batteryLevel: null,
  ...given,
})
const known = (contacts: readonly Contact[], before?: KnownContact) => contacts.reduce<KnownContact | undefined>(applyContact, before)
const anyContact = fc.record({
  received: fc.nat(60).map((seconds) => seconds * 1_000_000),
  boot: fc.option(fc.integer({ min: 1, max: 4 })),
  firmware: fc.constant('hive-1'),
  sampleAt: fc.option(fc.nat(60_000_000)),
  batteryVoltage: fc.option(fc.record({ value: fc.nat(4), at: fc.nat(60_000_000) })),
  batteryLevel: fc.constant(null),
})
/** In the order of a partition. Records of one moment would be parts of one frame. */
const inOrder = fc
  .uniqueArray(anyContact, { maxLength: 12, selector: ({ received }) => received })
  .map((list) => list.toSorted((a, b) => a.received - b.received))

const cuts = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 })
/** What is written after micro-batches of these sizes, in turn. */
function write(contacts: readonly Contact[], sizes: readonly number[], before?: KnownContact): KnownContact | undefined {
  let written = before
  for (let [from, turn] = [0, 0]; from < contacts.length; turn++) {
    const to = from + (sizes[turn % sizes.length] ?? 1)
    const next = known(contacts.slice(from, to), written)
    if (next !== undefined && isDue(written, next)) written = next
    from = to
  }
  return written
}

describe('what is known of a device from its readings', () => {
  it('is its last contact, the newest of its samples, and the newest value of its battery', () => {
    const full = { value: 90, at: 20 }
    expect(
      known([contact(10, { sampleAt: 30, batteryLevel: full }), contact(20, { sampleAt: 5, batteryLevel: { value: 95, at: 15 } })]),
    ).to.include({ received: 20, sampleAt: 30, batteryLevel: full })
  })

  it('follows a later boot, and one below all that were seen: the flash was reset', () => {
    expect(known([contact(1, { boot: 7 }), contact(2, { boot: 8, firmware: 'hive-2' })])).to.include({
      boot: 8,
      bootAt: 2,
      firmware: 'hive-2',
    })
    expect(known([contact(1, { boot: 7 }), contact(2, { boot: 3 })])).to.include({ boot: 3, lowestBoot: 3, bootAt: 2 })
  })

  it('is not turned back by frames of a boot that is over, which the device sends late', () => {
    const late = known([contact(1, { boot: 7 }), contact(2, { boot: 8, firmware: 'hive-2' }), contact(3, { boot: 7 })])
    expect(late).to.include({ boot: 8, firmware: 'hive-2', bootAt: 2, received: 3 })
  })

  it('is not changed by what was received before, as in a redrive', () => {
    const before = known([contact(10, { boot: 2 })])
    expect(known([contact(9, { boot: 3, batteryLevel: { value: 1, at: 99 } })], before)).to.equal(before)
  })

  it('has the battery of a frame that was divided into several records', () => {
    const battery = { value: 3.6, at: 10 }
    expect(known([contact(10), contact(10, { batteryVoltage: battery })])).to.include({ batteryVoltage: battery })
  })

  it('is written when the device is new, boots, or was last written ten seconds ago, and not with each record', () => {
    const written = applyContact(undefined, contact(0))
    expect(isDue(undefined, written)).to.equal(true)
    expect(isDue(written, applyContact(written, contact(EXACT_TO_MICROS - 1)))).to.equal(false)
    expect(isDue(written, applyContact(written, contact(EXACT_TO_MICROS)))).to.equal(true)
    expect(isDue(written, applyContact(written, contact(1, { boot: 2 })))).to.equal(true)
    expect(isDue(written, applyContact(written, contact(1, { batteryLevel: { value: 50, at: 1 } })))).to.equal(true)
    expect(isDue(written, applyContact(written, contact(1, { sampleAt: EXACT_TO_MICROS })))).to.equal(true)
  })

  it('is the same after a replay, however the batches were cut', () => {
    fc.assert(
      fc.property(inOrder, cuts, cuts, (contacts, sizes, again) => {
        const once = write(contacts, sizes)
        expect(write(contacts, again, once)).to.deep.equal(once)
      }),
      { numRuns: 1000 },
    )
  })

  it('is behind all records by less than what is written at once, however the batches were cut', () => {
    fc.assert(
      fc.property(inOrder, cuts, (contacts, sizes) => {
        const exact = known(contacts)
        const written = write(contacts, sizes)
        expect(exact === undefined || isDue(written, exact)).to.equal(exact === undefined && written === undefined)
        expect((exact?.sampleAt ?? 0) - (written?.sampleAt ?? 0), 'of its newest sample').to.be.below(EXACT_TO_MICROS)
      }),
      { numRuns: 1000 },
    )
  })
})
