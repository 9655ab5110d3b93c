import avro from 'avsc'
import { expect } from 'chai'
import fc from 'fast-check'
import { AvroCursor } from './avro-cursor.ts'
import { MalformedError } from './frame-reader.ts'

const type = avro.Type.forSchema({
  type: 'record',
  name: 'Some',
  fields: [
    { name: 'name', type: 'string' },
    { name: 'small', type: 'int' },
    { name: 'large', type: 'long' },
    { name: 'none', type: ['null', 'long'] },
    { name: 'one', type: ['null', 'long'] },
  ],
})

class Cursor extends AvroCursor {
  read(bytes: Buffer): object {
    this.bytes = bytes
    this.at = 0
    const length = this.string('name')
    const name = bytes.toString('utf8', this.at - length, this.at)
    return { name, small: this.int('small'), large: this.long('large'), none: this.optionalLong('none'), one: this.optionalLong('one') }
  }

  int32(bytes: Buffer): number {
    this.bytes = bytes
    this.at = 0
    return this.int('small')
  }
}

describe('a cursor over Avro', () => {
  it('reads what avsc wrote, and refuses it if any byte is missing at its end', () => {
    const large = fc.integer({ min: -(2 ** 52), max: 2 ** 52 - 1 })
    const some = fc.record({ name: fc.string(), small: fc.integer(), large, one: fc.integer({ min: 0, max: 2 ** 50 }) })
    fc.assert(
      fc.property(some, fc.nat(), ({ name, small, large, one }, cut) => {
        const bytes = type.toBuffer({ name, small, large, none: null, one })
        const expected = { name: Buffer.from(name).toString(), small, large, none: -1, one }
        expect(new Cursor().read(bytes)).to.deep.equal(expected)
        expect(() => new Cursor().read(bytes.subarray(0, cut % bytes.length))).to.throw(MalformedError)
      }),
    )
  })

  it('names the field and what is wrong with it', () => {
    const long = avro.Type.forSchema('long')
    expect(() => new Cursor().int32(long.toBuffer(2 ** 31))).to.throw(MalformedError, 'small: expected a 32-bit integer, got 2147483648')
    expect(() => new Cursor().int32(Buffer.alloc(11, 0xff))).to.throw(MalformedError, 'small: expected an integer of at most 10 bytes')
    expect(() => new Cursor().read(Buffer.from([0, 0, 0, 4]))).to.throw(MalformedError, 'none: expected union branch 0 or 1, got byte 4')
  })
})
