import { encode } from 'cborg'
import { expect } from 'chai'
import fc from 'fast-check'
import { decodeCbor } from './cbor.ts'
import { CodecError, RepeatedMember } from './codec.ts'

/** Of RFC 8949, appendix A, and by hand. */
const READ: readonly (readonly [hex: string, value: unknown])[] = [
  ['1903e8', 1000],
  ['1b000000e8d4a51000', 1000000000000],
  ['1bffffffffffffffff', 18446744073709551615n],
  ['3bffffffffffffffff', -18446744073709551616n],
  ['c249010000000000000000', 18446744073709551616n],
  ['c349010000000000000000', -18446744073709551617n],
  ['c24107', 7],
  ['c48221196ab3', 273.15],
  ['c1fb41d452d9ec200000', 1363896240.5],
  ['c074323031332d30332d32315432303a30343a30305a', '2013-03-21T20:04:00Z'],
  ['d9d9f7a1617401', { t: 1 }],
  ['f93e00', 1.5],
  ['fa41bb3333', 23.4],
  ['f97c00', Number.POSITIVE_INFINITY],
  ['f6', null],
  ['f7', null],
  ['f5', true],
  ['4401020304', '01020304'],
  ['5f42010243030405ff', '0102030405'],
  ['7f657374726561646d696e67ff', 'streaming'],
  ['62c3bc', 'ü'],
  ['66efbbbf616263', '\ufeffabc'],
  ['a201020304', { 1: 2, 3: 4 }],
  ['a12063626f6f', { '-1': 'boo' }],
  ['bf61610161629f0203ffff', { a: 1, b: [2, 3] }],
  ['80', []],
]

describe('the codec for CBOR', () => {
  for (const [hex, value] of READ)
    it(`reads ${hex}`, () => {
      expect(read(hex)).to.deep.equal(value)
    })

  const refused: readonly (readonly [what: string, hex: string, detail: string])[] = [
    ['nothing', '', 'expected CBOR, got nothing'],
    ['two items', '0102', 'expected CBOR: the end at position 1 of 2, got byte 02'],
    ['a cut array', '8201', 'expected CBOR: an item of an array at its end, position 2 of 2'],
    ['a cut integer', '19', 'expected CBOR: at position 0 of 1, byte 19: not enough data for type'],
    ['a cut text', '6461', 'expected CBOR: at position 0 of 2, byte 64: not enough data for type'],
    ['a break without a beginning', 'ff', 'expected CBOR: a data item at position 0 of 1, got byte ff'],
    ['a break in an array of known length', '82ff', 'expected CBOR: an item of an array at position 1 of 2, got byte ff'],
    ['a break in place of a value', 'bf6161ff', 'expected CBOR: the value of a key at position 3 of 4, got byte ff'],
    ['a break in a tag', '9fc1ff', 'expected CBOR: the content of a tag at position 2 of 3, got byte ff'],
    ['text that is not UTF-8', '62c328', 'expected CBOR: UTF-8 in the text at position 0 of 3, got something else'],
    ['text in pieces of which one is not', '7f61c361bcff', 'expected CBOR: UTF-8 in the text at position 1'],
    ['a number among the pieces of a text', '7f01ff', 'expected CBOR: a piece of a text string at position 1 of 3, got byte 01'],
    ['a text without an end', '7f6161', 'expected CBOR: the rest of a string at its end'],
    ['a key that is bytes', 'a1416101', 'expected CBOR: a key that is text or an integer at position 1 of 4, got byte 41'],
    ['a key that is null', 'a1f601', 'expected CBOR: a key that is text or an integer at position 1'],
    ['a bignum of 17 bytes', `c251${'ff'.repeat(17)}`, 'expected CBOR: a byte string of at most 16 bytes, an integer at position 1'],
    ['half a decimal fraction', 'c48101', 'expected CBOR: a decimal fraction of an exponent and a mantissa at position 0'],
    ['an array of 2^63 items', '9b8000000000000000', 'expected CBOR'],
    ['JSON', Buffer.from('{"t":1}').toString('hex'), 'expected CBOR'],
  ]
  for (const [what, hex, detail] of refused)
    it(`refuses ${what}, and says where`, () => {
      expect(() => read(hex)).to.throw(CodecError, detail)
    })

  it('keeps both values of a key that is there twice', () => {
    const tree = read('a3617401617402616803') as Record<string, unknown>
    expect((tree.t as RepeatedMember).values).to.deep.equal([1, 2])
    expect(tree.h).to.equal(3)
    // The integer 1 and the text "1" are one name of a path.
    expect((read('a20102613103') as Record<string, unknown>)['1']).to.be.instanceOf(RepeatedMember)
  })

  it('takes __proto__ as a key like any other', () => {
    const tree = read(`a1695f5f70726f746f5f5fa1617801`) as Record<string, unknown>
    expect(Object.keys(tree)).to.deep.equal(['__proto__'])
    expect(Object.getPrototypeOf(tree)).to.equal(Object.prototype)
  })

  it('refuses what is nested more than 64 deep, tags too, however long', () => {
    expect(read(`${'81'.repeat(64)}01`)).to.be.an('array')
    for (const byte of ['81', '9f', 'c1', 'a161']) expect(() => read(`${byte.repeat(400_000)}01`), byte).to.throw(CodecError)
    expect(() => read(`${'c1'.repeat(65)}01`)).to.throw(CodecError, 'nested at most 64 deep')
  })

  it('takes bounded time for any 900 kB', () => {
    const start = performance.now()
    for (const byte of ['00', '60', '40', 'f6', '80', 'a0'])
      expect((read(`9f${byte.repeat(899_000)}ff`) as unknown[]).length).to.equal(899_000)
    expect((read(`7f${'6161'.repeat(449_000)}ff`) as string).length).to.equal(449_000)
    expect((read(`bf${'616101'.repeat(290_000)}ff`) as { a: unknown }).a).to.be.instanceOf(RepeatedMember)
    expect(performance.now() - start).to.be.lessThan(5_000)
  })

  it('reads what its library writes', () => {
    const tree = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.string({ unit: 'grapheme' }),
        fc.integer(),
        fc.double(),
        fc.boolean(),
        fc.constant(null),
        tie('array'),
        tie('map'),
      ),
      array: fc.array(tie('value'), { maxLength: 5 }),
      map: fc.dictionary(
        fc.string().filter((name) => name !== '__proto__'),
        tie('value'),
        { maxKeys: 5, noNullPrototype: true },
      ),
    })).value
    fc.assert(
      fc.property(tree, (value) => {
        // 1 and 1.0, and 0 and -0, are told apart by CBOR only.
        expect(asJson(decodeCbor(Buffer.from(encode(value))))).to.deep.equal(asJson(value))
      }),
      { numRuns: 300 },
    )
  })

  it('throws nothing but CodecError for any bytes, random or changed', () => {
    const known = READ.map(([hex]) => Buffer.from(hex, 'hex'))
    const changed = fc.tuple(fc.constantFrom(...known), fc.nat(), fc.nat(255), fc.boolean()).map(([bytes, at, byte, cut]) => {
      const copy = Buffer.from(bytes)
      copy[at % copy.length] = byte
      return cut ? copy.subarray(0, copy.length - 1) : copy
    })
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 40 }), changed), (bytes) => {
        try {
          decodeCbor(Buffer.from(bytes))
        } catch (error) {
          expect(error).to.be.instanceOf(CodecError)
        }
      }),
      { numRuns: 5_000 },
    )
  })
})

function read(hex: string): unknown {
  return decodeCbor(Buffer.from(hex, 'hex'))
}

function asJson(tree: unknown): unknown {
  return JSON.parse(JSON.stringify(tree))
}
