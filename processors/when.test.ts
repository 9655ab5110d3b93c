import { expect } from 'chai'
import { parseMoment } from './when.ts'

const now = Date.UTC(2026, 10, 29, 4)

describe('a moment that somebody typed', () => {
  it('may be a time with its zone', () => {
    for (const [text, expected] of [
      ['2026-11-23T04:00:00Z', Date.UTC(2026, 10, 23, 4)],
      ['2026-11-23T04:00Z', Date.UTC(2026, 10, 23, 4)],
      ['2026-11-23t04:00:00.25z', Date.UTC(2026, 10, 23, 4, 0, 0, 250)],
      ['2026-11-23 04:00:00.123456789+01:00', Date.UTC(2026, 10, 23, 3, 0, 0, 123)],
      ['2026-11-23T04:00-0330', Date.UTC(2026, 10, 23, 7, 30)],
      ['2026-11-23T04:00+14', Date.UTC(2026, 10, 22, 14)],
      ['2024-02-29T00:00Z', Date.UTC(2024, 1, 29)],
      ['2026-12-31T23:30-01:00', Date.UTC(2027, 0, 1, 0, 30)],
      ['0050-01-01T00:00Z', -60_589_296_000_000],
    ] as const)
      expect(parseMoment(text, now), text).to.equal(expected)
  })

  it('may be an age', () => {
    expect(['90s', '15m', '2h', '3d'].map((age) => now - (parseMoment(age, now) ?? 0))).to.deep.equal([
      90_000, 900_000, 7_200_000, 259_200_000,
    ])
  })

  for (const [what, texts] of [
    ['that has no zone', ['2026-11-29T04:00', '2026-11-29 04:00:00', '2026-11-29', '2026-11', '2026']],
    [
      'that no calendar has',
      [
        '2026-02-30T00:00Z',
        '2026-02-29T00:00Z',
        '2026-00-10T00:00Z',
        '2026-13-01T00:00Z',
        '2026-04-31T00:00Z',
        '2026-01-00T00:00Z',
        '0000-01-01T00:00Z',
      ],
    ],
    [
      'that no clock shows',
      [
        '2026-01-01T24:00Z',
        '2026-01-01T12:60Z',
        '2026-01-01T12:00:60Z',
        '2026-01-01T12:00+25:00',
        '2026-01-01T12:00+14:01',
        '2026-01-01T12:00-12:30',
        '2026-01-01T12:00+01:60',
      ],
    ],
    [
      'that only Date understands',
      [
        '12',
        '0',
        'tomorrow 3',
        'tomorrow',
        'now',
        'Nov 29 2026',
        '11/29/2026',
        '2026-11-29T04:00:00 GMT',
        '1795924800000',
        '20261129T040000Z',
        '+002026-11-29T04:00Z',
        '2026-1-1T00:00Z',
        '2026-01-01T00:00:00,5Z',
      ],
    ],
    ['that is no text at all', ['', ' ', '2h ', ' 2h', '2026-11-23T04:00Z\n', '2 h', '-2h', '2h30m', '1.5h', '2w', '٣d']],
    ['before the year 1', ['999999999d']],
  ] as const)
    it(`is nothing ${what}`, () => {
      for (const text of texts) expect(parseMoment(text, now), JSON.stringify(text)).to.equal(undefined)
    })
})
