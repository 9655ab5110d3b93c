import { expect } from 'chai'
import { quantities } from '../../schemas/generated/readings.ts'
import { CopyRows } from './copy-rows.ts'

describe('rows of a binary COPY', () => {
  const source = Buffer.from('xhive')
  const append = (rows: CopyRows, value: number): void => {
    rows.reserve(1)
    rows.append(source, 1, 4, 1, 0, 7, -1, new Float64Array(quantities.length).fill(Number.NaN).fill(value, 0, 1))
  }

  it('are what they are however often the buffer grew', () => {
    const [small, large] = [new CopyRows(32), new CopyRows(1 << 16)]
    for (let row = 0; row < 50; row++) for (const rows of [small, large]) append(rows, row)
    expect(small.finish()).to.deep.equal(large.finish())
    expect([small.count, small.readings]).to.deep.equal([50, 50])
  })

  it('are taken back from the mark on, with what is counted of them', () => {
    const rows = new CopyRows(64)
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
    const [rows, expected] = [new CopyRows(64), new CopyRows(64)]
    const ends = [rows.bytes]
    for (const value of [1, 2, 3]) {
      append(rows, value)
      ends.push(rows.bytes)
    }
    for (const value of [3, 1, 2]) append(expected, value)
    const parts = [0, 1, 2].map((row) => ({ start: ends[row] ?? 0, end: ends[row + 1] ?? 0 }))
    expect(() => rows.rearrange(parts.slice(1))).to.throw(RangeError, 'were rearranged')
    rows.rearrange([...parts.slice(2), ...parts.slice(0, 2)])
    expect(rows.finish()).to.deep.equal(expected.finish())
  })
})
