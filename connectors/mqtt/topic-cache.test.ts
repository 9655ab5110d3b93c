import { expect } from 'chai'
import fc from 'fast-check'
import { createTopicCache } from './topic-cache.ts'

describe('topic cache', () => {
  it('gives the name that the bytes spell, with however few slots', () => {
    const cache = createTopicCache(2)
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 120 }), fc.nat(5), (text, offset) => {
        const bytes = Buffer.concat([Buffer.alloc(offset, 'x'), Buffer.from(text), Buffer.from('tail')])
        expect(cache.text(bytes, offset, bytes.length - 4)).to.equal(Buffer.from(text).toString())
      }),
    )
  })

  it('tells names apart that fall on one slot and differ in any one byte, whatever their length', () => {
    const cache = createTopicCache(1)
    for (let length = 1; length <= 100; length++) {
      const bytes = Buffer.alloc(length, 'a')
      cache.text(bytes, 0, length)
      for (let at = 0; at < length; at++) {
        const other = Buffer.from(bytes)
        other[at] = 0x62
        expect(cache.text(other, 0, length)).to.equal(other.toString())
        expect(cache.text(bytes, 0, length)).to.equal(bytes.toString())
      }
    }
  })

  it('refuses a size that is no power of two', () => {
    expect(() => createTopicCache(3)).to.throw(RangeError, '3')
  })
})
