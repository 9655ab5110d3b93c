import { expect } from 'chai'
import fc from 'fast-check'
import { visible, visibleLines } from './visible.ts'

describe('text for a terminal', () => {
  it('spells out what a terminal obeys', () => {
    for (const [text, shown] of [
      ['\x1b]0;owned\x07', '\\u001b]0;owned\\u0007'],
      ['\x9b31mRED', '\\u009b31mRED'],
      ['a\tb\r\nc\x00\x7f', 'a\\u0009b\\u000d\\u000ac\\u0000\\u007f'],
      ['abc\u202edef\u2066\u200f\u061c', 'abc\\u202edef\\u2066\\u200f\\u061c'],
      ['\u2028\u2029\ufeff', '\\u2028\\u2029\\ufeff'],
      ['half \ud83d, other \udc1d', 'half \\ud83d, other \\udc1d'],
      ['\u{e0041}', '\\udb40\\udc41'],
    ] as const)
      expect(visible(text)).to.equal(shown)
  })

  it('leaves everything else as it is: letters of any script, signs, emoji', () => {
    for (const text of ['', 'Bienenstöcke', '蜂の巣', '🐝 34.2 °C', 'שלום', '\u00a0é', '👩‍🌾', '\\u001b'])
      expect(visible(text)).to.equal(text)
  })

  it('keeps JSON what it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(JSON.parse(visible(JSON.stringify(text)))).to.equal(text)
      }),
    )
  })

  it('keeps lines apart, but for a carriage return', () => {
    expect(visibleLines('a\nb\rc\x1b[2J')).to.equal('a\nb\\u000dc\\u001b[2J')
  })
})
