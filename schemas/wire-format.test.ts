import { expect } from 'chai'
import { MalformedError } from './frame-reader.ts'
import { hasWireHeader, requireWireHeader, schemaIdOf, WIRE_BYTES, wireHeader, writeWireHeader } from './wire-format.ts'

describe("the registry's wire format", () => {
  it('is a zero byte and the schema ID, big-endian, before the datum', () => {
    expect(wireHeader(0x01020304)).to.deep.equal(Buffer.from([0, 1, 2, 3, 4]))
    const bytes = Buffer.alloc(8, 0xff)
    expect(writeWireHeader(bytes, 2, 9)).to.equal(2 + WIRE_BYTES)
    expect(bytes).to.deep.equal(Buffer.from([0xff, 0xff, 0, 0, 0, 0, 9, 0xff]))
  })

  it('gives back the ID, also one that needs all 32 bits', () => {
    expect(schemaIdOf(requireWireHeader(wireHeader(0xffffffff)))).to.equal(0xffffffff)
  })

  for (const [what, value, message] of [
    ['no value', null, /got no value/],
    ['four bytes', Buffer.alloc(4), /got 4 bytes/],
    ['a frame as a device publishes it', Buffer.from([0xc3, 1, 2, 3, 4, 5]), /got byte 195/],
  ] as const) {
    it(`is not ${what}`, () => {
      expect(hasWireHeader(value)).to.equal(false)
      expect(() => requireWireHeader(value)).to.throw(MalformedError, message)
    })
  }
})
