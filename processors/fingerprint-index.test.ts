import { expect } from 'chai'
import fc from 'fast-check'
import { createFingerprints, type KnownSchema } from './bridge/fingerprints.ts'

describe('fingerprints', () => {
  const fingerprint = fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes))

  it('find each schema ID, at any offset, and no other', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fingerprint, { selector: (bytes) => bytes.toString('hex'), maxLength: 20 }),
        fingerprint,
        fc.nat(9),
        (known, stranger, offset) => {
          const fingerprints = createFingerprints(new Map(known.map((bytes, id) => [bytes.toString('hex'), id])))
          const at = (bytes: Buffer): KnownSchema | undefined => fingerprints.find(Buffer.concat([Buffer.alloc(offset), bytes]), offset)
          for (const [id, bytes] of known.entries()) {
            expect(at(bytes)).to.deep.include({ id, headers: [{ name: 'fp', value: bytes }] })
            expect(at(bytes)?.headers).to.equal(at(bytes)?.headers)
          }
          if (!known.some((bytes) => bytes.equals(stranger))) expect(at(stranger)).to.equal(undefined)
        },
      ),
    )
  })

  it('tell apart what shares its first half', () => {
    const fingerprints = createFingerprints(
      new Map([
        ['0000000000000001', 1],
        ['0000000000000002', 2],
      ]),
    )
    expect([1, 2, 3].map((last) => fingerprints.find(Buffer.from([0, 0, 0, 0, 0, 0, 0, last]), 0)?.id)).to.deep.equal([1, 2, undefined])
  })

  it('find nothing in fewer than 8 bytes', () => {
    const fingerprints = createFingerprints(new Map([['0000000000000001', 1]]))
    expect(fingerprints.find(Buffer.alloc(7), 0)).to.equal(undefined)
    expect(fingerprints.find(Buffer.alloc(10), 3)).to.equal(undefined)
  })

  it('refuse a fingerprint that is none', () => {
    expect(() => createFingerprints(new Map([['abc', 1]]))).to.throw(RangeError, '"abc"')
  })
})
