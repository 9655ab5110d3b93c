import { expect } from 'chai'
import { createOrder } from './order.ts'

describe('the check of order', () => {
  it('takes frames in order, over boots too, whatever other devices do', () => {
    const order = createOrder()
    for (const [device, boot, seq] of [
      ['a', 1, 0],
      ['b', 7, 3],
      ['a', 1, 1],
      ['a', 2, 0],
      ['b', 7, 4],
    ] as const)
      expect(order.add(device, boot, seq, 'x')).to.equal('first')
    expect(order.counts.reordered).to.equal(0)
  })

  it('takes a stretch that comes again, if its bytes are the same', () => {
    const order = createOrder()
    const places = [0, 1, 2, 1, 2, 3].map((seq) => order.add('a', 1, seq, `bytes of ${seq}`))
    expect(places).to.deep.equal(['first', 'first', 'first', 'repeat', 'repeat', 'first'])
    expect(order.add('a', 1, 2, 'other bytes')).to.equal('altered')
  })

  it('notices a frame that comes for the first time after a later one', () => {
    const order = createOrder()
    expect([0, 2, 1].map((seq) => order.add('a', 1, seq, ''))).to.deep.equal(['first', 'first', 'reordered'])
    order.add('a', 2, 0, '')
    expect(order.add('a', 1, 3, '')).to.equal('reordered')
  })

  it('keeps numbers apart where boot counters are large', () => {
    const order = createOrder()
    for (let seq = 0; seq < 40; seq++) expect(order.add('a', 2_147_483_640, seq, `${seq}`)).to.equal('first')
    expect(order.seen('a', 2_147_483_640, 17)).to.equal('17')
  })
})
