import { expect } from 'chai'
import { sinkBatch, type TestRow } from '../../test/pipeline/readings-batch.ts'
import { REPEATED } from './fold-rows.ts'
import { changedHours, markChanged } from './rollup-marks.ts'

const HOUR_MS = 3_600_000
const at = (hour: number, second: number): number => hour * HOUR_MS + second * 1_000
const marks = (rows: readonly TestRow[], repeated: readonly number[] = []): unknown => {
  const of = new Uint8Array(rows.length)
  for (const row of repeated) of[row] = REPEATED
  return [...changedHours(sinkBatch(rows, []), { of, conflicts: new Map() })].map(([hour, devices]) => [hour, [...devices]])
}

describe('the marks of a batch', () => {
  it('have each hour of each device once, with its first and last row', () => {
    expect(
      marks([
        { device: 'a', tsMs: at(490_000, 9), temperature: 1 },
        { device: 'a', tsMs: at(490_000, 3), humidity: 1 },
        { device: 'ab', tsMs: at(490_000, 5) },
        { device: 'a', tsMs: at(490_001, 0), temperature: 1, weight: 3 },
        { device: 'a', tsMs: at(490_000, 7) },
      ]),
    ).to.deep.equal([
      [
        490_000,
        [
          ['a', { first: 3_000_000, last: 9_000_000 }],
          ['ab', { first: 5_000_000, last: 5_000_000 }],
        ],
      ],
      [490_001, [['a', { first: 0, last: 0 }]]],
    ])
  })

  it('take times before 1970 and before 2000 to the hour that they are in', () => {
    expect(
      marks([
        { device: 'a', tsMs: -1 },
        { device: 'a', tsMs: at(100_000, 1) },
      ]),
    ).to.deep.equal([
      [-1, [['a', { first: 3_599_999_000, last: 3_599_999_000 }]]],
      [100_000, [['a', { first: 1_000_000, last: 1_000_000 }]]],
    ])
  })

  it('leave out rows that had nothing new', () => {
    const rows = [
      { device: 'a', tsMs: at(490_000, 1) },
      { device: 'a', tsMs: at(490_000, 2) },
      { device: 'b', tsMs: at(490_000, 1) },
    ]
    expect(marks(rows, [0, 2])).to.deep.equal([[490_000, [['a', { first: 2_000_000, last: 2_000_000 }]]]])
    expect(markChanged(sinkBatch(rows, []), { of: new Uint8Array(3).fill(REPEATED), conflicts: new Map() })).to.equal(undefined)
  })

  it('quote whatever a device is called', () => {
    expect(markChanged(sinkBatch([{ device: `a"\\'{,}`, tsMs: 0 }], []))).to.contain(
      `'{"a\\"\\\\''{,}"}'::text[], '{0}'::bigint[], '{0}'::bigint[]`,
    )
  })
})
