import { expect } from 'chai'
import { readFirmwares } from './files.ts'
import { canonicalForm, crc64Avro, schemaFingerprint } from './fingerprint.ts'

describe('Avro fingerprints', () => {
  // Vectors of the Avro project's own tests (share/test/data/schema-tests.txt).
  const vectors: readonly (readonly [string, bigint])[] = [
    ['"null"', 7195948357588979594n],
    ['"boolean"', -6970731678124411036n],
    ['"int"', 8247732601305521295n],
    ['"long"', -3434872931120570953n],
    ['"double"', -8181574048448539266n],
    ['"string"', -8142146995180207161n],
  ]
  for (const [schema, expected] of vectors) {
    it(`gives ${expected} for ${schema}`, () => {
      expect(BigInt.asIntN(64, crc64Avro(Buffer.from(schema)))).to.equal(expected)
    })
  }

  it('is written with its least significant byte first', () => {
    expect(schemaFingerprint('null').readBigInt64LE()).to.equal(7195948357588979594n)
  })

  it('ignores attributes, docs, defaults and order, and resolves names', () => {
    const plain = {
      name: 'a.b.R',
      type: 'record',
      fields: [
        { name: 'e', type: { name: 'a.b.E', type: 'enum', symbols: ['X'] } },
        { name: 'again', type: 'a.b.E' },
      ],
    }
    const adorned = {
      type: 'record',
      namespace: 'a.b',
      doc: 'a record',
      name: 'R',
      fields: [
        { scale: '0.1', doc: 'an enum', name: 'e', type: { symbols: ['X'], type: 'enum', name: 'E' } },
        { default: 'X', name: 'again', type: 'E' },
      ],
    }
    expect(canonicalForm(adorned)).to.equal(JSON.stringify(plain))
  })

  it('tells every firmware from every other, even with the same fields', () => {
    const all = readFirmwares().map(({ firmware }) => firmware.fingerprint.toString('hex'))
    expect(new Set(all).size).to.equal(all.length)
  })
})
