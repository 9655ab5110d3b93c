import { expect } from 'chai'
import fc from 'fast-check'
import { afterBatch, FIRST_PATH } from './write-path.ts'

const stateAfter = (repeats: readonly number[]) => repeats.reduce(afterBatch, FIRST_PATH)

describe('the path of the next batch', () => {
  it('is COPY while nothing repeats', () => {
    fc.assert(fc.property(fc.array(fc.constant(0)), (repeats) => stateAfter(repeats).path === 'copy'))
  })

  it('is the merge after a batch with repeats, whatever came before', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(3)),
        fc.integer({ min: 1, max: 9 }),
        (before, repeated) => stateAfter([...before, repeated]).path === 'merge',
      ),
    )
  })

  it('is COPY again after four batches without repeats, and not sooner', () => {
    expect(stateAfter([5, 0, 0, 0]).path).to.equal('merge')
    expect(stateAfter([5, 0, 0, 0, 0]).path).to.equal('copy')
    expect(stateAfter([5, 0, 0, 1, 0, 0, 0]).path).to.equal('merge')
  })
})
