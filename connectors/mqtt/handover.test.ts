import { Duplex } from 'node:stream'
import { expect } from 'chai'
import { createFlow } from './flow.ts'
import { Handover } from './handover.ts'
import type { Packets } from './packets.ts'

describe('the handover of publishes', () => {
  const two = [1, 2].map((byte) => ({ topic: 'a', payload: Buffer.from([byte]) })) as unknown as Packets['publishes']
  const start = (handler: () => Promise<void>) => {
    const flow = createFlow({ publishes: 2, bytes: 100 })
    const events: string[] = []
    const handover = new Handover(handler, flow, () => events.push('released'))
    const stream = new Duplex({ read() {} })
    stream.on('error', (error) => events.push(error.message))
    return { flow, events, handover, stream, take: () => handover.take(two, 100, () => events.push('acknowledged'), stream) }
  }
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

  it('acknowledges what the handler has resolved, and then has room again', async () => {
    let resolve = (): void => {}
    const { flow, events, handover, take } = start(() => new Promise((done) => (resolve = done)))
    take()
    await turn()
    expect([flow.publishes, flow.full, events]).to.deep.equal([2, true, []])
    resolve()
    await turn()
    expect([flow.publishes, flow.bytes, handover.publishes, events]).to.deep.equal([0, 0, 2, ['acknowledged', 'released']])
  })

  it('ends the connection of what the handler rejects, unacknowledged, and holds it no more', async () => {
    const { flow, events, stream, take } = start(() => Promise.reject(new Error('no')))
    take()
    await turn()
    expect(stream.destroyed).to.equal(true)
    expect(flow.publishes).to.equal(0)
    expect(events.toSorted()).to.deep.equal(['handling 2 messages: no', 'released'])
  })

  it('leaves to the broker what comes after its stop', async () => {
    const { flow, events, handover, take } = start(() => Promise.resolve())
    handover.stop()
    take()
    await turn()
    expect([handover.publishes, handover.left, flow.publishes, events]).to.deep.equal([0, 2, 0, []])
  })
})
