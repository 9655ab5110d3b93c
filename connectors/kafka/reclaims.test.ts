import { expect } from 'chai'
import { Reclaims } from './reclaims.ts'

describe('claiming partitions anew', () => {
  it('waits until Kafka has answered two heartbeats since it was asked for', () => {
    const reclaims = new Reclaims()
    expect(reclaims.beat(1)).to.equal(false)
    reclaims.request(1)
    expect([reclaims.beat(1), reclaims.beat(1), reclaims.beat(1)]).to.deep.equal([false, true, false])
  })

  it('is put off by nobody who asks again', () => {
    const reclaims = new Reclaims()
    reclaims.request(1)
    reclaims.beat(1)
    reclaims.request(1)
    expect(reclaims.beat(1)).to.equal(true)
  })

  it('does not happen if the partitions were assigned anew meanwhile', () => {
    const reclaims = new Reclaims()
    reclaims.request(1)
    expect([reclaims.beat(2), reclaims.beat(2), reclaims.beat(2)]).to.deep.equal([false, false, false])
  })
})
