import { expect } from 'chai'
import fc from 'fast-check'
import { parseDecimal } from './decimal.ts'

describe('parseDecimal', () => {
  it('reads decimals as fractions in lowest tens', () => {
    expect(parseDecimal('0.01')).to.deep.equal({ numerator: 1, denominator: 100 })
    expect(parseDecimal('-40')).to.deep.equal({ numerator: -40, denominator: 1 })
    expect(parseDecimal('0.0625')).to.deep.equal({ numerator: 625, denominator: 10_000 })
    expect(parseDecimal('2.50')).to.deep.equal({ numerator: 25, denominator: 10 })
    expect(parseDecimal('1e-3')).to.deep.equal({ numerator: 1, denominator: 1000 })
    expect(parseDecimal('-0.0')).to.deep.equal({ numerator: 0, denominator: 1 })
  })

  it('gives the number that the text names', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e9, max: 1e9 }), fc.integer({ min: 0, max: 5 }), (digits, places) => {
        const text = (digits / 10 ** places).toFixed(places)
        const { numerator, denominator } = parseDecimal(text)
        expect(numerator / denominator).to.equal(Number(text) + 0)
      }),
    )
  })

  for (const text of ['', 'x', '1,5', '0x10', '1e999', '123456789012345678901', 'NaN']) {
    it(`refuses "${text}"`, () => {
      expect(() => parseDecimal(text)).to.throw(RangeError, text)
    })
  }
})
