import { expect } from 'chai'
import fc from 'fast-check'
import { copyRange, rowOfContext } from './copy-rows.ts'

const HEADER = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1')
const value = fc.option(fc.uint8Array({ maxLength: 20 }))
const rows = fc.array(fc.array(value, { maxLength: 5 }), { maxLength: 20 })

function encoded(table: readonly (readonly (Uint8Array | null)[])[]): Buffer {
  const parts: Uint8Array[] = [HEADER]
  for (const row of table) {
    parts.push(int16(row.length))
    for (const column of row) parts.push(int32(column === null ? -1 : column.length), column ?? new Uint8Array())
  }
  return Buffer.concat([...parts, int16(-1)])
}

function int16(number: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(number)
  return bytes
}

function int32(number: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(number)
  return bytes
}

describe('a range of rows of a COPY stream', () => {
  it('is the stream of just these rows', () => {
    const cuts = rows.chain((table) => fc.tuple(fc.constant(table), fc.nat(table.length), fc.nat(table.length)))
    fc.assert(
      fc.property(cuts, ([table, one, other]) => {
        const [first, end] = [Math.min(one, other), Math.max(one, other)]
        expect(copyRange(encoded(table), first, end)).to.deep.equal(encoded(table.slice(first, end)))
      }),
    )
  })

  it('is refused beyond the last row', () => {
    expect(() => copyRange(encoded([[null]]), 0, 2)).to.throw(RangeError)
  })
})

describe('the row of an error’s context', () => {
  it('is the line that COPY names, counted from 0', () => {
    expect(rowOfContext('COPY readings, line 7', 10)).to.equal(6)
    expect(rowOfContext('COPY readings, line 7, column ts', 10)).to.equal(6)
    expect(rowOfContext('PL/pgSQL function f() line 3 at RAISE\nCOPY readings, line 1', 10)).to.equal(0)
    expect(rowOfContext('COPY readings, Zeile 7, Spalte ts', 10)).to.equal(6)
  })

  it('is unknown if none is named, or none of the batch', () => {
    for (const context of [undefined, '', 'SQL statement "INSERT …"', 'COPY readings, line 11', 'COPY readings, line 0']) {
      expect(rowOfContext(context, 10)).to.equal(undefined)
    }
  })
})
