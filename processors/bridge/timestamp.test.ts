import { expect } from 'chai'
import fc from 'fast-check'
import { parseTimestamp } from './timestamp.ts'

describe('timestamp of JSON telemetry', () => {
  const cases: readonly (readonly [unknown, string | undefined])[] = [
    ['2026-11-23T04:00:00Z', '2026-11-23T04:00:00.000Z'],
    ['2026-11-23T04:00Z', '2026-11-23T04:00:00.000Z'],
    ['2026-11-23T04:00:00.1234567Z', '2026-11-23T04:00:00.123Z'],
    ['2026-11-23T04:00:00,9999Z', '2026-11-23T04:00:00.999Z'],
    ['2026-11-23T04:00:00+05:30', '2026-11-22T22:30:00.000Z'],
    ['2026-11-23T04:00:00-0800', '2026-11-23T12:00:00.000Z'],
    ['1969-12-31T23:59:59.999Z', '1969-12-31T23:59:59.999Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
    [1_795_406_400_000, '2026-11-23T04:00:00.000Z'],
    [1_795_406_400_000.9, '2026-11-23T04:00:00.000Z'],
    ['2026-11-23T04:00:00', undefined],
    ['2026-11-23', undefined],
    ['2025-02-29T00:00:00Z', undefined],
    ['2026-13-01T00:00:00Z', undefined],
    ['2026-00-10T00:00:00Z', undefined],
    ['2026-11-23T24:00:00Z', undefined],
    ['2026-11-23T04:60:00Z', undefined],
    ['2026-11-23T04:00:00Z ', undefined],
    ['1795406400000', undefined],
    ['yesterday', undefined],
    [2 ** 53, undefined],
    [Number.POSITIVE_INFINITY, undefined],
    [null, undefined],
    [true, undefined],
  ]
  for (const [value, expected] of cases) {
    it(`${JSON.stringify(value)} is ${expected ?? 'refused'}`, () => {
      const timeMs = parseTimestamp(value)
      expect(timeMs === undefined ? undefined : new Date(timeMs).toJSON()).to.equal(expected)
    })
  }

  it('reads back what Date writes, in every year of four digits', () => {
    const date = fc.date({ min: new Date('0000-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true })
    fc.assert(
      fc.property(date, (time) => {
        expect(parseTimestamp(time.toJSON())).to.equal(time.getTime())
      }),
    )
  })
})
