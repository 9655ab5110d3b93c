import { expect } from 'chai'
import type { RowColumn } from '../rows/row.ts'
import { Buckets, bucketOf } from './buckets.ts'

const columns: readonly RowColumn[] = [
  { name: 'device_id', kind: 'text', unit: null },
  { name: 'ts', kind: 'timestamp', unit: null },
  { name: 'weight', kind: 'double', unit: 'kg' },
  { name: 'humidity', kind: 'double', unit: '%' },
]
const MINUTE = 60_000_000
const NOON = Date.UTC(2026, 10, 23, 12) * 1000

describe('time buckets', () => {
  it('begin at whole multiples of their length, weeks on Monday', () => {
    expect(bucketOf(NOON + 14 * MINUTE, 15 * MINUTE)).to.equal(NOON)
    // 2026-11-23 is a Monday.
    expect(bucketOf(NOON + 6 * 1440 * MINUTE, 7 * 1440 * MINUTE)).to.equal(NOON - 720 * MINUTE)
    expect(bucketOf(Date.UTC(1999, 0, 1, 0, 7) * 1000, 5 * MINUTE)).to.equal(Date.UTC(1999, 0, 1, 0, 5) * 1000)
  })

  it('have a row for each quantity that has a value, and go over pages', () => {
    const buckets = new Buckets(columns, ['weight', 'humidity'], 15 * MINUTE)
    expect(
      buckets.add([
        ['hive', NOON, 40, null],
        ['hive', NOON + MINUTE, 44, null],
      ]),
    ).to.deep.equal([])
    expect(
      buckets.add([
        ['hive', NOON + 14 * MINUTE, 42, 60],
        ['hive', NOON + 15 * MINUTE, null, null],
        ['hive', NOON + 30 * MINUTE, 1, null],
      ]),
    ).to.deep.equal([
      ['hive', NOON, 'humidity', 1, 60, 60, 60, 60, 60, 60],
      ['hive', NOON, 'weight', 3, 42, 40, 44, 126, 40, 42],
    ])
    expect(buckets.rest()).to.deep.equal([['hive', NOON + 30 * MINUTE, 'weight', 1, 1, 1, 1, 1, 1, 1]])
    expect(buckets.rest()).to.deep.equal([])
  })
})
