import { expect } from 'chai'
import { sliceEnd } from './range.ts'

describe('the end of a slice', () => {
  it('is where later records begin, and the end of the log if a record before the slice has a later time', () => {
    expect(sliceEnd(5n, 9n, 20n)).to.equal(9n)
    expect(sliceEnd(5n, 5n, 20n)).to.equal(5n)
    expect(sliceEnd(5n, undefined, 20n)).to.equal(20n)
    expect(sliceEnd(5n, 3n, 20n)).to.equal(20n)
  })
})
