import { expect } from 'chai'
import { copiesOn } from './copies.ts'

const auto = { replicationFactor: 'auto', minInsyncReplicas: 'auto' } as const

describe('copies of a topic', () => {
  it('are three, of which two must have a record, on three brokers or more', () => {
    for (const brokers of [3, 4, 9]) expect(copiesOn(brokers, auto)).to.deep.equal({ replicationFactor: 3, minInsyncReplicas: 2 })
  })

  it('are as many as brokers on fewer, and one must have a record: one broker away does not stop the line', () => {
    expect(copiesOn(1, auto)).to.deep.equal({ replicationFactor: 1, minInsyncReplicas: 1 })
    expect(copiesOn(2, auto)).to.deep.equal({ replicationFactor: 2, minInsyncReplicas: 1 })
  })

  it('are as many as the configuration says', () => {
    expect(copiesOn(5, { replicationFactor: 5, minInsyncReplicas: 3 })).to.deep.equal({ replicationFactor: 5, minInsyncReplicas: 3 })
    expect(copiesOn(3, { replicationFactor: 1, minInsyncReplicas: 'auto' })).to.deep.equal({ replicationFactor: 1, minInsyncReplicas: 1 })
  })

  it('are refused if there are not so many brokers, or if nothing could be written', () => {
    expect(() => copiesOn(2, { ...auto, replicationFactor: 3 })).to.throw('3 copies need as many brokers, and Kafka has 2 now')
    expect(() => copiesOn(1, { ...auto, minInsyncReplicas: 2 })).to.throw('nothing could be written')
  })
})
