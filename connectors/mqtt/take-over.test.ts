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
    takeOver.ended()
    expect(takeOver.disconnected(0x8e)).to.equal(true)
    takeOver.attempted()
    expect(takeOver.accepted()).to.equal(false)
    expect(takeOver.disconnected(0x8b)).to.equal(false)
  })

  it('is seen if the broker ends a session without a reason and accepts the next attempt', () => {
    const takeOver = connected()
    takeOver.ended()
    takeOver.attempted()
    expect(takeOver.accepted()).to.equal(true)
    takeOver.attempted()
    expect(takeOver.accepted()).to.equal(false)
  })

  it('is seen also before the connection has subscribed, and after', () => {
    for (const subscriptions of [0, 2]) {
      const takeOver = connected()
      for (let asked = 0; asked < subscriptions; asked++) takeOver.subscribing()
      for (let asked = 0; asked < subscriptions; asked++) takeOver.subscribed()
      takeOver.ended()
      takeOver.attempted()
      expect(takeOver.accepted(), `after ${subscriptions} subscriptions`).to.equal(true)
    }
  })

  it('is not seen if the broker may have ended the connection for what was asked, had not accepted it, or was away', () => {
    const asking = connected()
    asking.subscribing()
    asking.ended()
    asking.attempted()
    expect(asking.accepted(), 'asking').to.equal(false)
    const refused = connected()
    refused.attempted()
    refused.ended()
    refused.attempted()
    expect(refused.accepted(), 'refused').to.equal(false)
    const away = connected()
    away.ended()
    away.attempted()
    away.attempted()
    expect(away.accepted(), 'away').to.equal(false)
  })
})
