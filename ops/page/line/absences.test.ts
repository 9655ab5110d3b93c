import { expect } from 'chai'
import { Absences } from './absences.ts'

describe('since when a part has been away', () => {
  it('is the first look at which it was, until it is there again', () => {
    const absences = new Absences()
    expect(absences.note('store', false, 1)).to.equal(undefined)
    expect(absences.note('store', true, 2)).to.deep.equal({ since: 2, orBefore: false })
    expect(absences.note('store', true, 3)).to.deep.equal({ since: 2, orBefore: false })
    expect(absences.note('store', false, 4)).to.equal(undefined)
    expect(absences.note('store', true, 5)).to.deep.equal({ since: 5, orBefore: false })
  })

  it('may be before the first look of all, and then it is said', () => {
    const absences = new Absences()
    expect(absences.note('store', true, 2)).to.deep.equal({ since: 2, orBefore: true })
    expect(absences.note('store', true, 3)).to.deep.equal({ since: 2, orBefore: true })
    expect(absences.note('bridge', false, 3)).to.equal(undefined)
  })
})
