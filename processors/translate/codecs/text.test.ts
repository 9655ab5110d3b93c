import { expect } from 'chai'
import fc from 'fast-check'
import { CodecError } from './codec.ts'
import { decodeText } from './text.ts'

describe('the codec for text', () => {
  it('gives the whole payload, without white space and a byte order mark at its ends', () => {
    expect(decodeText(Buffer.from('21.4'))).to.equal('21.4')
    expect(decodeText(Buffer.from('\ufeff 21,4 °C\r\n'))).to.equal('21,4 °C')
    expect(decodeText(Buffer.alloc(0))).to.equal('')
  })

  it('refuses what is no text, and says where', () => {
    expect(() => decodeText(Buffer.from('21.4\0'))).to.throw(
      CodecError,
      'expected text, got byte 00 at position 4 of 5, which has no place in it',
    )
    expect(() => decodeText(Buffer.from('21.4', 'utf16le'))).to.throw(
      CodecError,
      'expected UTF-8, got UTF-16, low byte first, without a byte order mark',
    )
    expect(() => decodeText(Buffer.from('21.4', 'utf16le').swap16())).to.throw(CodecError, 'UTF-16, high byte first')
    expect(() => decodeText(Buffer.from('21 \u00b0C', 'latin1'))).to.throw(CodecError, 'expected UTF-8, got byte b0 at position 3 of 5')
  })

  it('names the first byte that is not UTF-8, however it is wrong', () => {
    for (const bad of ['ff', 'c0af', 'c2', 'e0809f', 'ed9fc0', 'eda080', 'f0808080', 'f4908080', 'f09f98', '80'])
      expect(() => decodeText(Buffer.from(`2ac3a9${bad}`, 'hex')), bad).to.throw(
        CodecError,
        `expected UTF-8, got byte ${bad.slice(0, 2)} at position 3 of ${3 + bad.length / 2}`,
      )
  })

  it('throws nothing but CodecError for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          expect(decodeText(Buffer.from(bytes))).to.be.a('string')
        } catch (error) {
          expect(error).to.be.instanceOf(CodecError)
        }
      }),
      { numRuns: 1_000 },
    )
  })
})
