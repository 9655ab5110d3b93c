import { expect } from 'chai'
import { createFlow } from './flow.ts'

describe('flow', () => {
  it('is not full with as many publishes as the receive maximum allows, so that QoS 1 alone never holds reading', () => {
    const flow = createFlow({ publishes: 10, bytes: 1000 })
    flow.take(10, 999)
    expect(flow.full).to.equal(false)
    flow.take(1, 0)
    expect(flow.full).to.equal(true)
    flow.release(1, 0)
    expect(flow.full).to.equal(false)
  })

  it('is full once the bytes are reached', () => {
    const flow = createFlow({ publishes: 10, bytes: 1000 })
    flow.take(1, 1000)
    expect(flow.full).to.equal(true)
  })
})
