import { expect } from 'chai'
import fc from 'fast-check'
import { afterBatch, FIRST_PATH, type Met } from './write-path.ts'

const pathAfter = (...batches: readonly Met[]) => batches.reduce(afterBatch, FIRST_PATH).path
const batches = fc.array(fc.constantFrom<Met>('nothing', 'within', 'table'))

describe('the path of the next batch', () => {
  it('is COPY while nothing repeats', () => {
    fc.assert(fc.property(fc.array(fc.constant<Met>('nothing')), (clean) => pathAfter(...clean) === 'copy'))
  })

  it('is the merge after a batch that met rows of the table, whatever came before', () => {
    fc.assert(fc.property(batches, (before) => pathAfter(...before, 'table') === 'merge'))
  })

  it('folds first after a batch that repeats itself only', () => {
    expect(pathAfter('within')).to.equal('fold')
    expect(pathAfter('within', 'nothing', 'nothing', 'nothing', 'within')).to.equal('fold')
  })

  it('is COPY again after four batches without repeats, and not sooner', () => {
    for (const first of ['table', 'within'] as const) {
      expect(pathAfter(first, 'nothing', 'nothing', 'nothing')).to.not.equal('copy')
      expect(pathAfter(first, 'nothing', 'nothing', 'nothing', 'nothing')).to.equal('copy')
    }
    expect(pathAfter('table', 'nothing', 'nothing', 'table', 'nothing', 'nothing', 'nothing')).to.equal('merge')
  })

  it('is folding after the merge, once batches repeat only themselves', () => {
    expect(pathAfter('table', 'within', 'within', 'within')).to.equal('merge')
    expect(pathAfter('table', 'within', 'within', 'within', 'within')).to.equal('fold')
  })
})
