import { expect } from 'chai'
import fc from 'fast-check'
import { parseTimestamp } from './timestamp.ts'

describe('timestamp of JSON telemetry', () => {
  const cases: readonly (readonly [unknown, string | undefined])[] = [
    ['2026-11-23T04:00:00Z', '2026-11-23T04:00:00.000000'],
    ['2026-11-23T04:00Z', '2026-11-23T04:00:00.000000'],
    ['2026-11-23t04:00:00z', '2026-11-23T04:00:00.000000'],
    ['2026-11-23 04:00:00Z', '2026-11-23T04:00:00.000000'],
    ['2026-11-23T04:00:00.123456789Z', '2026-11-23T04:00:00.123456'],
    ['2026-11-23T04:00:00.9999999999999999999999Z', '2026-11-23T04:00:00.999999'],
    ['2026-11-23T04:00:00,0001Z', '2026-11-23T04:00:00.000100'],
    ['2026-11-23T04:00:00+05:30', '2026-11-22T22:30:00.000000'],
    ['2026-11-23T04:00:00-0800', '2026-11-23T12:00:00.000000'],
    ['2026-11-23T04:00:00+01', '2026-11-23T03:00:00.000000'],
    ['2026-11-23T04:00:00+00', '2026-11-23T04:00:00.000000'],
    ['2026-11-23T04:00:00-00:00', '2026-11-23T04:00:00.000000'],
    ['2026-11-23T04:00+0000', '2026-11-23T04:00:00.000000'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000000'],
    ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00.000000'],
    ['2016-12-31T23:59:60.250001Z', '2017-01-01T00:00:00.250001'],
    ['2017-01-01T05:29:60+05:30', '2017-01-01T00:00:00.000000'],
    ['2026-11-28T24:00:00Z', '2026-11-29T00:00:00.000000'],
    [1_795_406_400, '2026-11-23T04:00:00.000000'],
    [1_795_406_400.5, '2026-11-23T04:00:00.500000'],
    [1_795_406_400.000001, '2026-11-23T04:00:00.000001'],
    [1_795_406_400_000, '2026-11-23T04:00:00.000000'],
    [1_795_406_400_000.9, '2026-11-23T04:00:00.000900'],
    ['2026-11-23T04:00:00', undefined],
    ['2026-11-23', undefined],
    ['2026-11-23T04', undefined],
    ['2026-11-23T04Z', undefined],
    ['2026-11-23X04:00:00Z', undefined],
    ['2026-11-23T04:00:00.Z', undefined],
    ['2026-11-23T04:00:Z', undefined],
    ['2026-11-23T04:00:00+1', undefined],
    ['2026-11-23T04:00:00+01:', undefined],
    ['2026-11-23T04:00:00+01:0', undefined],
    ['2026-11-23T04:00:00+010', undefined],
    ['2026-11-23T04:00:00+24:00', undefined],
    ['2026-11-23T04:00:00+00:60', undefined],
    ['2026-11-23T04:00:00ZZ', undefined],
    ['2026-11-23T04:00:00Z ', undefined],
    [' 2026-11-23T04:00:00Z', undefined],
    ['2026-11-23T04:00:00 UTC', undefined],
    ['2026-W48-7T03:00:00Z', undefined],
    ['20261123T040000Z', undefined],
    ['+002026-11-23T04:00:00Z', undefined],
    ['2025-02-29T00:00:00Z', undefined],
    ['1900-02-29T00:00:00Z', undefined],
    ['2026-13-01T00:00:00Z', undefined],
    ['2026-00-10T00:00:00Z', undefined],
    ['2026-01-00T00:00:00Z', undefined],
    ['2026-04-31T00:00:00Z', undefined],
    ['2026-11-28T24:00:01Z', undefined],
    ['2026-11-28T24:00:00.1Z', undefined],
    ['2026-11-28T25:00:00Z', undefined],
    ['2026-11-23T04:60:00Z', undefined],
    ['2026-11-23T04:00:61Z', undefined],
    ['2026-11-23T04:00:60Z', undefined],
    ['2026-11-23T23:59:60Z', undefined],
    ['2016-12-31T23:59:60+05:30', undefined],
    ['yesterday', undefined],
    ['', undefined],
    [0, undefined],
    [86_400_000, undefined],
    [123_456_789_012, undefined],
    [-1_795_406_400, undefined],
    [2 ** 70, undefined],
    [Number.POSITIVE_INFINITY, undefined],
    [179_540_640, undefined],
    [17_954_064_001, undefined],
    [1_795_406_400_000_000, undefined],
    [1_795_406_400_000_000_000, undefined],
    ['1795406400', undefined],
    ['1795406400000', undefined],
    [null, undefined],
    [true, undefined],
  ]
  for (const [value, expected] of cases) {
    it(`${JSON.stringify(value)} is ${expected ?? 'refused'}`, () => {
      expect(shown(parseTimestamp(value))).to.equal(expected)
    })
  }

  it('reads what Date writes, in every year of four digits', () => {
    const date = fc.date({ min: new Date('0000-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true })
    fc.assert(
      fc.property(date, (time) => {
        expect(Math.floor(parseTimestamp(time.toJSON()) / 1000)).to.be.closeTo(time.getTime(), 1)
      }),
    )
  })

  it('reads it with microseconds and in every zone', () => {
    // As long as a double holds them all: 2^53 is in 2255.
    const date = fc.date({ min: new Date('1700-01-01T00:00:00Z'), max: new Date('2250-01-01T00:00:00Z'), noInvalidDate: true })
    fc.assert(
      fc.property(date, fc.nat(999), fc.integer({ min: -1439, max: 1439 }), (time, micros, minutes) => {
        const local = new Date(time.getTime() + minutes * 60_000).toJSON()
        const size = Math.abs(minutes)
        const offset = `${minutes < 0 ? '-' : '+'}${String(Math.floor(size / 60)).padStart(2, '0')}:${String(size % 60).padStart(2, '0')}`
        const text = `${local.slice(0, -1)}${String(micros).padStart(3, '0')}${offset}`
        expect(parseTimestamp(text)).to.equal(time.getTime() * 1000 + micros)
      }),
    )
  })

  it('takes seconds and milliseconds for the same time', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1e9, max: 4e9 }), fc.nat(999_999), (seconds, micros) => {
        const expected = seconds * 1e6 + micros
        expect(parseTimestamp(Number(`${seconds}.${String(micros).padStart(6, '0')}`))).to.equal(expected)
        expect(parseTimestamp(expected / 1000)).to.equal(expected)
      }),
    )
  })
})

function shown(micros: number): string | undefined {
  if (Number.isNaN(micros)) return undefined
  const ms = Math.floor(micros / 1000)
  return `${new Date(ms).toJSON().slice(0, -1)}${String(micros - ms * 1000).padStart(3, '0')}`
}
