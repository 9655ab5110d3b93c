import { expect } from 'chai'
import fc from 'fast-check'
import { guessTimeFormats, TimeFormatError, timeFormat } from './time-format.ts'

const MOMENT = Date.UTC(2021, 5, 19, 14, 4, 58) * 1000
const time = (format: string, text: string) => timeFormat(format).parse(text)
const guessed = (...texts: readonly string[]) => guessTimeFormats(texts).map(({ name }) => name)

describe('a time format', () => {
  const same: readonly (readonly [format: string, text: string, micros: number, local: boolean])[] = [
    ['iso8601', '2021-06-19T14:04:58Z', MOMENT, false],
    ['iso8601', '2021-06-19 16:04:58.123456789+02:00', MOMENT + 123_456, false],
    ['iso8601', '2021-06-19 14:04:58', MOMENT, true],
    ['iso8601', '2021-06-19', Date.UTC(2021, 5, 19) * 1000, true],
    ['iso8601', '2021-06-19T14:04:58 UTC', MOMENT, false],
    ['unix-s', '1624111498.5', MOMENT + 500_000, false],
    ['unix-ms', '1624111498000', MOMENT, false],
    ['unix-us', '1624111498000001', MOMENT + 1, false],
    ['unix-ns', '1624111498000001999', MOMENT + 1, false],
    ['unix-s', '-86400', -86_400_000_000, false],
    ['DD.MM.YYYY HH:MM', '19.06.2021 14:04', MOMENT - 58e6, true],
    ['DD.MM.YYYY HH:MM', '19.6.2021 14:04:58,25', MOMENT + 250_000, true],
    ['MM/DD/YYYY hh:mm A', '6/19/2021 2:04 PM', MOMENT - 58e6, true],
    ['MM/DD/YYYY hh:mm A', '6/19/2021 12:00 am', Date.UTC(2021, 5, 19) * 1000, true],
    ['YYYYMMDD HHmmss', '20210619 140458', MOMENT, true],
    ['DD.MM.YY', '19.06.21', Date.UTC(2021, 5, 19) * 1000, true],
    ['YYYY-MM-DD HH:MM', '2021-06-19 24:00', Date.UTC(2021, 5, 20) * 1000, true],
  ]
  for (const [format, text, micros, local] of same)
    it(`reads ${text} as ${format}`, () => {
      expect(time(format, text)).to.deep.equal({ micros, local })
    })

  const none: readonly (readonly [format: string, text: string])[] = [
    ['iso8601', '2021-02-29'],
    ['iso8601', '2021-06-19 25:00'],
    ['iso8601', '19.06.2021'],
    ['iso8601', '0021-06-19 00:00'],
    ['iso8601', '2021-06-19T14:04:58+99:00'],
    ['unix-s', '1.6241E+12'],
    ['unix-s', ''],
    ['unix-s', '9'.repeat(19)],
    ['DD.MM.YYYY HH:MM', '31.04.2021 10:00'],
    ['DD.MM.YYYY HH:MM', '19.06.2021'],
    ['MM/DD/YYYY hh:mm A', '6/19/2021 13:04 PM'],
  ]
  for (const [format, text] of none)
    it(`does not read ${JSON.stringify(text)} as ${format}`, () => {
      expect(time(format, text)).to.equal(undefined)
    })

  it('without a date, with hours only or with a part that is there twice is refused', () => {
    for (const pattern of ['HH:MM', '', 'nonsense', 'DD.MM.YYYY HH', 'DD.DD.YYYY'])
      expect(() => timeFormat(pattern), pattern).to.throw(TimeFormatError)
  })

  it('takes characters of a pattern as they are, and reads whatever text comes', () => {
    expect(time('(YYYY)*MM[DD', '(2021)*06[19')).to.have.property('local', true)
    fc.assert(
      fc.property(fc.string(), fc.constantFrom('iso8601', 'unix-ns', 'DD.MM.YYYY HH:MM'), (text, format) => {
        const found = time(format, text)
        return found === undefined || Number.isSafeInteger(found.micros)
      }),
    )
  })
})

describe('the format of times', () => {
  it('is found out', () => {
    expect(guessed('2021-06-19 14:04:58+00:00')).to.deep.equal(['iso8601'])
    expect(guessed('1624111498')).to.deep.equal(['unix-s'])
    expect(guessed('1624111498000')).to.deep.equal(['unix-ms'])
    expect(guessed('01.02.2021 03:04')).to.deep.equal(['DD.MM.YYYY HH:MM'])
    expect(guessed('01/02/2021 03:04', '13/02/2021')).to.deep.equal(['DD/MM/YYYY HH:MM'])
    expect(guessed('01/02/2021 03:04 PM', '02/13/2021 03:04 PM')).to.deep.equal(['MM/DD/YYYY HH:MM'])
  })

  it('is several if none of them can be taken for another', () => {
    expect(guessed('2021-06-19', '1624111498', '1624111498000')).to.deep.equal(['iso8601 or unix-s or unix-ms'])
  })

  it('is found out though some times are wrong', () => {
    expect(guessed('2021-06-19', '2021-06-20', 'unknown')).to.deep.equal(['iso8601'])
  })

  it('is not guessed if two fit, or none', () => {
    expect(guessed('01/02/2021 03:04')).to.deep.equal(['DD/MM/YYYY HH:MM', 'MM/DD/YYYY HH:MM'])
    expect(guessed('yesterday', '12')).to.deep.equal([])
    expect(guessed()).to.deep.equal([])
  })
})
