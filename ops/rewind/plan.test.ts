import { expect } from 'chai'
import fc from 'fast-check'
import type { Topic } from '../../processors/contract.ts'
import { planPartition, type RewindTarget, recordsAgain } from './plan.ts'

const topic = 't' as Topic
const extent = { partition: 3, earliest: 100n, end: 200n }
const planned = (target: RewindTarget, position: bigint | undefined = 150n, atTime?: bigint, log = extent): unknown => {
  const { topic: _, partition: __, ...plan } = planPartition({ topic, extent: log, position, atTime }, target)
  return plan
}

describe('the plan of a rewind', () => {
  it('goes back to an offset, to the record of a time, or to the first one that Kafka has', () => {
    expect(planned({ tag: 'offset', offset: 120n })).to.deep.equal({ tag: 'moves', from: 150n, to: 120n, cut: false })
    expect(planned({ tag: 'time', ms: 1 }, 150n, 130n)).to.deep.equal({ tag: 'moves', from: 150n, to: 130n, cut: false })
    expect(planned({ tag: 'beginning' })).to.deep.equal({ tag: 'moves', from: 150n, to: 100n, cut: false })
  })

  it('says if Kafka has deleted what was asked for, or may have', () => {
    expect(planned({ tag: 'offset', offset: 20n })).to.deep.equal({ tag: 'moves', from: 150n, to: 100n, cut: true })
    expect(planned({ tag: 'time', ms: 1 }, 150n, 100n)).to.deep.equal({ tag: 'moves', from: 150n, to: 100n, cut: true })
    expect(planned({ tag: 'time', ms: 1 }, 150n, 0n, { ...extent, earliest: 0n })).to.deep.include({ cut: false })
  })

  it('leaves a partition alone that is there already, before it, unread, or beyond the end of its log', () => {
    expect(planned({ tag: 'offset', offset: 150n })).to.deep.equal({ tag: 'stays', why: 'it is at 150 already' })
    expect(planned({ tag: 'time', ms: 1 }, 150n, 200n)).to.deep.equal({ tag: 'stays', why: 'it is at 150, before 200' })
    expect(planPartition({ topic, extent, position: undefined, atTime: undefined }, { tag: 'beginning' })).to.deep.include({ tag: 'stays' })
    expect(planned({ tag: 'beginning' }, 201n)).to.deep.include({ tag: 'stays' })
  })

  it('never leaves a record out, and never leads out of the log', () => {
    const at = fc.bigInt({ min: 0n, max: 300n })
    fc.assert(
      fc.property(at, at, at, at, (one, other, position, offset) => {
        const [earliest, end] = one < other ? [one, other] : [other, one]
        const plan = planPartition(
          { topic, extent: { partition: 0, earliest, end }, position, atTime: undefined },
          { tag: 'offset', offset },
        )
        if (plan.tag === 'stays') return
        expect(plan.to >= earliest && plan.to < position && plan.from === position && position <= end).to.equal(true)
        expect(recordsAgain([plan, { ...plan, tag: 'stays', why: '' }])).to.equal(position - plan.to)
      }),
    )
  })
})
