import { expect } from 'chai'
import fc from 'fast-check'
import { guessDecimal, numberText } from './number-text.ts'

describe('a number of a file', () => {
  it('keeps all its decimals', () => {
    const cases = { '23.12345678': '23.12345678', '+.5': '0.5', '-007.250': '-7.250', '5.': '5', '1e3': '1e3', '0': '0', '-0.0': '-0.0' }
    for (const [text, expected] of Object.entries(cases)) expect(numberText(text, 'point'), text).to.equal(expected)
    expect(numberText('1,5', 'comma')).to.equal('1.5')
    expect(numberText('12', 'comma')).to.equal('12')
  })

  it('is a decimal number and nothing else', () => {
    for (const text of ['', '.', '1.2.3', '1,5', '0x10', '1e999', 'NaN', 'Infinity', '5 °C', '１２', '1_000', '--1', '1e'])
      expect(numberText(text, 'point'), text).to.equal(undefined)
    for (const text of ['1.5', '1.234,5', '1,2,3', ',']) expect(numberText(text, 'comma'), text).to.equal(undefined)
  })

  it('is what JSON reads, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.stringMatching(/^[+-]?[0-9.,eE]{0,8}$/), fc.double().map(String)),
        fc.constantFrom('point', 'comma'),
        (text, decimal) => {
          const found = numberText(text, decimal)
          if (found !== undefined) expect(JSON.parse(found)).to.equal(Number(decimal === 'comma' ? text.replace(',', '.') : text))
        },
      ),
    )
  })
})

describe('the decimal mark', () => {
  it('is found out, unless it may stand between thousands', () => {
    expect(guessDecimal(['12,5', '1,234'])).to.equal('comma')
    expect(guessDecimal(['12', ''])).to.equal('point')
    expect(guessDecimal(['1,234', '0.5'])).to.equal('point')
    expect(guessDecimal(['1,234', '12,345'])).to.equal(undefined)
  })
})
