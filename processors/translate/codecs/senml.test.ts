import { encode } from 'cborg'
import { expect } from 'chai'
import fc from 'fast-check'
import { CodecError, RepeatedMember } from './codec.ts'
import { decodeSenml } from './senml.ts'

const RECEIVED = Date.parse('2026-11-29T03:30:05.250Z') * 1000

describe('the codec for SenML', () => {
  it('resolves base name, time, unit and value (RFC 8428, sections 5.1.2 and 5.1.3)', () => {
    const pack = [
      { bn: 'urn:dev:ow:10e2073a0108006:', bt: 1.276020076001e9, bu: 'A', bver: 10, n: 'voltage', u: 'V', v: 120.1 },
      { n: 'current', t: -5, v: 1.2 },
      { n: 'current', t: -4, v: 1.3 },
      { n: 'current', v: 1.7 },
    ]
    expect(read(pack)).to.deep.equal([
      { n: 'urn:dev:ow:10e2073a0108006:voltage', u: 'V', v: 120.1, t: 1276020076.001 },
      { n: 'urn:dev:ow:10e2073a0108006:current', u: 'A', v: 1.2, t: 1276020071.001 },
      { n: 'urn:dev:ow:10e2073a0108006:current', u: 'A', v: 1.3, t: 1276020072.001 },
      { n: 'urn:dev:ow:10e2073a0108006:current', u: 'A', v: 1.7, t: 1276020076.001 },
    ])
  })

  it('reads CBOR by its first byte and its labels', () => {
    const bytes = Buffer.from(
      '83a5006b74656d706572617475726502fb401b33333333333321781b75726e3a6465763a6d61633a30303234626566663830346666313a221a6b0b9c3c236343656ca3006868756d69646974790163255248021847a3006b74656d706572617475726502fb401b99999999999a06383b',
      'hex',
    )
    expect(decodeSenml(bytes, RECEIVED)).to.deep.equal([
      { n: 'urn:dev:mac:0024beff804ff1:temperature', u: 'Cel', v: 6.8, t: 1795923004 },
      { n: 'urn:dev:mac:0024beff804ff1:humidity', u: '%RH', v: 71, t: 1795923004 },
      { n: 'urn:dev:mac:0024beff804ff1:temperature', u: 'Cel', v: 6.9, t: 1795922944 },
    ])
  })

  it('counts small times from the time of receipt, and leaves out a time that nobody gave', () => {
    expect(
      read([
        { n: 'a', v: 1, t: -60 },
        { n: 'b', v: 2, t: 0 },
        { n: 'c', v: 3 },
      ]),
    ).to.deep.equal([
      { n: 'a', v: 1, t: 1795922945.25 },
      { n: 'b', v: 2, t: 1795923005.25 },
      { n: 'c', v: 3 },
    ])
    expect(read([{ n: 'a', v: 1, bt: 2 ** 28 - 1 }])).to.deep.equal([{ n: 'a', v: 1, t: 1795923005.25 + 2 ** 28 - 1 }])
    expect(read([{ n: 'a', v: 1, bt: 2 ** 28 }])).to.deep.equal([{ n: 'a', v: 1, t: 2 ** 28 }])
    // An integer that no double holds exactly is small all the same.
    expect(read([{ n: 'a', v: 1, t: -(2 ** 53) }])).to.deep.equal([{ n: 'a', v: 1, t: 1795923005.25 - 2 ** 53 }])
  })

  it('adds in decimal', () => {
    expect(read([{ bn: 'x', bv: 20.1, bs: 0.1, v: 0.2, s: 0.2 }, { v: -0.1 }])).to.deep.equal([
      { n: 'x', v: 20.3, s: 0.3 },
      { n: 'x', v: 20, s: 0.1 },
    ])
  })

  it('keeps texts, booleans, bytes, sums and fields of others as data, and base fields end with the message', () => {
    expect(
      read([
        { bn: 'd:', bver: 10 },
        { n: 'a', vs: 'on' },
        { n: 'b', vb: false },
        { n: 'c', vd: 'aGkgCg' },
        { n: 'd', s: 5 },
        { n: 'e', v: 1, ut: 60, x: [1] },
      ]),
    ).to.deep.equal([
      { n: 'd:a', vs: 'on' },
      { n: 'd:b', vb: false },
      { n: 'd:c', vd: 'aGkgCg' },
      { n: 'd:d', s: 5 },
      { n: 'd:e', v: 1, ut: 60, x: [1] },
    ])
    expect(decodeSenml(Buffer.from('81a20061630843fbfffe', 'hex'), RECEIVED)).to.deep.equal([{ n: 'c', vd: '-__-' }])
    expect(read([{ n: 'a', v: 1 }])).to.deep.equal([{ n: 'a', v: 1 }])
  })

  it('leaves a field of the wrong type to who uses it', () => {
    expect(
      read([
        { bn: 'd:', bv: 1, n: 5, v: 'x', t: 'now' },
        { n: 'a', v: 2 },
      ]),
    ).to.deep.equal([
      { n: 5, v: 'x', t: 'now' },
      { n: 'd:a', v: 3 },
    ])
    const [record] = decodeSenml(Buffer.from('[{"n":"a","v":1,"v":2}]'), RECEIVED) as { v: unknown }[]
    expect(record?.v).to.be.instanceOf(RepeatedMember)
  })

  for (const [what, pack, detail] of [
    ['what is no array', { n: 'a', v: 1 }, 'expected SenML: an array of records, got something else'],
    ['a record that is no object', [{ n: 'a', v: 1 }, 5], 'expected SenML: an object, got something else as record 1'],
    [
      'a version with features that are not known',
      [{ bver: 11, n: 'a', v: 1 }],
      'expected SenML: version 10 or 26 as bver of record 0, got 11',
    ],
    ['a base time that is text', [{ bt: 'now', n: 'a', v: 1 }], 'expected SenML: a number as bt of record 0, got "now"'],
    ['a base unit that is a number', [{ bu: 1, n: 'a', v: 1 }], 'expected SenML: text as bu of record 0, got 1'],
    ['a base name without end', [{ bn: 'x'.repeat(1001) }], 'expected SenML: text of at most 1000 characters as bn of record 0'],
    [
      'a field that must be understood',
      [{ n: 'a', v: 1, calibration_: 2 }],
      'expected SenML: record 0 has "calibration_", a field that has to be understood',
    ],
    ['too many records', Array.from({ length: 10_001 }, () => ({})), 'expected SenML: at most 10000 records, got 10001'],
  ] as const)
    it(`refuses ${what}`, () => {
      expect(() => read(pack)).to.throw(CodecError, detail)
    })

  it('refuses __proto__, whose last character says that it must be understood', () => {
    expect(() => decodeSenml(Buffer.from('[{"n":"a","__proto__":{"v":1}}]'), RECEIVED)).to.throw(CodecError, 'has "__proto__"')
  })

  it('says the same of JSON and CBOR, and throws nothing but CodecError for any pack', () => {
    const labels: Readonly<Record<string, number>> = {
      bver: -1,
      bn: -2,
      bt: -3,
      bu: -4,
      bv: -5,
      bs: -6,
      n: 0,
      u: 1,
      v: 2,
      s: 5,
      t: 6,
      ut: 7,
    }
    const value = fc.oneof(
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }).filter((number) => !Object.is(number, -0)),
      fc.string(),
      fc.boolean(),
    )
    const record = fc.dictionary(fc.constantFrom(...Object.keys(labels)), value, { noNullPrototype: true })
    fc.assert(
      fc.property(fc.array(record, { maxLength: 4 }), (pack) => {
        const maps = pack.map((fields) => new Map(Object.entries(fields).map(([name, field]) => [labels[name], field])))
        expect(outcome(Buffer.from(encode(maps)))).to.deep.equal(outcome(Buffer.from(JSON.stringify(pack))))
      }),
      { numRuns: 500 },
    )
  })

  it('throws nothing but CodecError for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(0x5b, 0x81, 0x9f, 0xd9), (bytes, first) => {
        outcome(Buffer.from([first, ...bytes]))
      }),
      { numRuns: 2_000 },
    )
  })
})

function read(pack: unknown): unknown {
  return decodeSenml(Buffer.from(JSON.stringify(pack)), RECEIVED)
}

function outcome(payload: Buffer): unknown {
  try {
    return decodeSenml(payload, RECEIVED)
  } catch (error) {
    expect(error).to.be.instanceOf(CodecError)
    return (error as CodecError).message.replace(/position.*/, '')
  }
}
