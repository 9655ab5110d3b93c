import { expect } from 'chai'
import fc from 'fast-check'
import { createTopicCache } from './topic-cache.ts'

describe('topic cache', () => {
  it('gives the name that the bytes spell, with however few slots', () => {
    const cache = createTopicCache(2)
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(5), (text, offset) => {
        const bytes = Buffer.concat([Buffer.alloc(offset, 'x'), Buffer.from(text), Buffer.from('tail')])
        expect(cache.text(bytes, offset, bytes.length - 4)).to.equal(Buffer.from(text).toString())
      }),
    )
  })

  it('tells names apart that fall on one slot', () => {
    const cache = createTopicCache(1)
    for (const text of ['devices/a/telemetry', 'devices/b/telemetry', 'devices/a/telemetry', 'devices/a']) {
      expect(cache.text(Buffer.from(text), 0, text.length)).to.equal(text)
    }
  })

  it('refuses a size that is no power of two', () => {
    expect(() => createTopicCache(3)).to.throw(RangeError, '3')
  })
})
