import { expect } from 'chai'
import { parseTimePattern } from './time-pattern.ts'

describe('the pattern of a time', () => {
  const none = { hour: 0, minute: 0, second: 0, micros: 0, offset: undefined }
  const day = { ...none, year: 2026, month: 11, day: 29 }

  it('is that of strptime', () => {
    expect(parseTimePattern('%d.%m.%Y %H:%M:%S').match(' 29.11.2026  4:30:04 ')).to.deep.equal({ ...day, hour: 4, minute: 30, second: 4 })
    expect(parseTimePattern('%d/%m/%y').match('29/11/26')).to.deep.equal(day)
    expect(parseTimePattern('%b %d %Y %I:%M %p').match('November 29 2026 12:05 am')).to.deep.equal({ ...day, minute: 5 })
    expect(parseTimePattern('%b %d %Y %I:%M %p').match('nov 29 2026 12:05 PM')).to.deep.equal({ ...day, hour: 12, minute: 5 })
    expect(parseTimePattern('%Y%m%dT%H%M%S%z').match('20261129T043004+0530')).to.deep.equal({
      ...day,
      hour: 4,
      minute: 30,
      second: 4,
      offset: 330,
    })
    expect(parseTimePattern('%Y-%m-%d %H:%M:%S.%f %z').match('2026-11-29 04:30:04.25 -08')).to.deep.equal({
      ...day,
      hour: 4,
      minute: 30,
      second: 4,
      micros: 250_000,
      offset: -480,
    })
    expect(parseTimePattern('(%Y)[%m]%%%d').match('(2026)[11]%29')).to.deep.equal(day)
  })

  it('does not take another text', () => {
    const pattern = parseTimePattern('%d.%m.%Y')
    for (const text of ['29-11-2026', '29.11.26', '29.11.2026x', '', 'x'.repeat(100_000)]) expect(pattern.match(text)).to.equal(undefined)
  })

  const refused: readonly (readonly [string, RegExp])[] = [
    ['%H:%M', /expected a year/],
    ['%d.%m.%Q', /expected one of %Y, .*got %Q/],
    ['%d.%m.%Y %d', /expected %d once/],
    ['%d.%m.%Y %', /got %$/],
    ['%d.%m.%Y %I', /both %I and %p/],
    [`%d.%m.%Y${' '.repeat(100)}`, /at most 64/],
  ]
  for (const [text, message] of refused) {
    it(`is not ${JSON.stringify(text.slice(0, 20))}`, () => {
      expect(() => parseTimePattern(text)).to.throw(RangeError, message)
    })
  }
})
