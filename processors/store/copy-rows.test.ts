import { expect } from 'chai'
import { quantities } from '../../schemas/generated/readings.ts'
import { CopyRows } from './copy-rows.ts'

describe('rows of a binary COPY', () => {
  const source = Buffer.from('xhive')
  const append = (rows: CopyRows, value: number): void => {
    rows.reserve(1)
    const values = new Float64Array(quantities.length).fill(Number.NaN).fill(value, 0, 1)
    rows.append(source, 1, 4, 1, 0, 7, -1, values, 1)
  }
  const withColumn = (initialBytes: number): CopyRows => {
    const rows = new CopyRows(initialBytes)
    rows.addColumn('temperature')
    return rows
  }

  it('are what they are however often the buffer grew', () => {
    const [small, large] = [withColumn(32), withColumn(1 << 16)]
    for (let row = 0; row < 50; row++) for (const rows of [small, large]) append(rows, row)
    expect(small.finish()).to.deep.equal(large.finish())
    expect([small.count, small.readings]).to.deep.equal([50, 50])
  })

  it('are taken back from the mark on, with what is counted of them', () => {
    const rows = withColumn(64)
    append(rows, 1)
    const before = Buffer.from(rows.finish())
    rows.mark()
    append(rows, 2)
    append(rows, Number.NaN)
    expect([rows.count, rows.readings]).to.deep.equal([3, 2])
    rows.undo()
    expect([rows.count, rows.readings]).to.deep.equal([1, 1])
    expect(rows.finish()).to.deep.equal(before)
  })

  it('are put into another order, all of them or none', () => {
    const [rows, expected] = [withColumn(64), withColumn(64)]
    for (const value of [1, Number.NaN, 3]) append(rows, value)
    for (const value of [3, 1, Number.NaN]) append(expected, value)
    const parts = [0, 1, 2].map((first) => ({ first, rows: 1 }))
    expect(() => rows.rearrange(parts.slice(1))).to.throw(RangeError, 'were rearranged')
    rows.rearrange([...parts.slice(2), ...parts.slice(0, 2)])
    expect(rows.finish()).to.deep.equal(expected.finish())
  })

  it('all get a column that one of them is the first to have, and what is reserved stays', () => {
    const [late, early] = [withColumn(32), withColumn(32)]
    early.addColumn('humidity')
    for (const value of [1, Number.NaN]) for (const rows of [late, early]) append(rows, value)
    late.mark()
    late.reserve(3)
    append(late, 2)
    late.addColumn('humidity')
    expect(late.columns.slice(-2)).to.deep.equal(['temperature', 'humidity'])
    const both = new Float64Array(quantities.length).fill(7, 0, 2)
    for (let row = 0; row < 2; row++) late.append(source, 1, 4, 1, 0, 7, -1, both, 2)
    append(early, 2)
    early.reserve(2)
    for (let row = 0; row < 2; row++) early.append(source, 1, 4, 1, 0, 7, -1, both, 2)
    expect(late.finish()).to.deep.equal(early.finish())
    late.undo()
    expect([late.count, late.readings]).to.deep.equal([2, 1])
    const before = withColumn(32)
    before.addColumn('humidity')
    for (const value of [1, Number.NaN]) append(before, value)
    expect(late.finish()).to.deep.equal(before.finish())
    late.rearrange([
      { first: 1, rows: 1 },
      { first: 0, rows: 1 },
    ])
    late.reset()
    before.reset()
    for (const rows of [late, before]) append(rows, 5)
    expect(late.finish()).to.deep.equal(before.finish())
  })
})
