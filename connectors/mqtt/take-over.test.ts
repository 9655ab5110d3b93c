import { expect } from 'chai'
import { TakeOver } from './take-over.ts'

describe('a session that is taken over', () => {
  const connected = (): TakeOver => {
    const takeOver = new TakeOver()
    takeOver.attempted()
    expect(takeOver.accepted()).to.equal(false)
    return takeOver
  }

  it('is said by the broker, and then not seen again in the next connection', () => {
    const takeOver = connected()
    takeOver.ended(true)
    expect(takeOver.disconnected(0x8e)).to.equal(true)
    takeOver.attempted()
    expect(takeOver.accepted()).to.equal(false)
    expect(takeOver.disconnected(0x8b)).to.equal(false)
  })

  it('is seen if the broker ends a session without a reason and accepts the next attempt', () => {
    const takeOver = connected()
    takeOver.ended(true)
    takeOver.attempted()
    expect(takeOver.accepted()).to.equal(true)
    takeOver.attempted()
    expect(takeOver.accepted()).to.equal(false)
  })

  it('is not seen if the session was not up, or the broker was away', () => {
    const early = connected()
    early.ended(false)
    early.attempted()
    expect(early.accepted()).to.equal(false)
    const away = connected()
    away.ended(true)
    away.attempted()
    away.attempted()
    expect(away.accepted()).to.equal(false)
  })
})
