import { expect } from 'chai'
import { KeepAlive } from './keep-alive.ts'

describe('keep-alive', () => {
  it('takes the connection for alive if something came since the last look, or while reading is held', () => {
    const keepAlive = new KeepAlive(1_000)
    expect(keepAlive.look(false, 0)).to.equal(false)
    keepAlive.received()
    expect(keepAlive.look(false, 250)).to.equal(true)
    expect(keepAlive.look(false, 500)).to.equal(false)
    expect(keepAlive.look(true, 750)).to.equal(true)
  })

  it('says since when no ping is answered, once the keepalive time is over', () => {
    const keepAlive = new KeepAlive(1_000)
    for (const ms of [100, 350]) keepAlive.pinged(ms)
    expect(keepAlive.unansweredSinceMs(1_099)).to.equal(undefined)
    expect(keepAlive.unansweredSinceMs(1_100)).to.equal(100)
    keepAlive.answered()
    expect(keepAlive.unansweredSinceMs(1_100)).to.equal(undefined)
    expect(keepAlive.unansweredSinceMs(1_350)).to.equal(350)
    keepAlive.connected()
    expect(keepAlive.unansweredSinceMs(9_999)).to.equal(undefined)
  })

  it('does not blame the broker for an answer that waits while reading is held', () => {
    const keepAlive = new KeepAlive(1_000)
    keepAlive.pinged(100)
    keepAlive.look(true, 900)
    expect(keepAlive.unansweredSinceMs(1_899)).to.equal(undefined)
    expect(keepAlive.unansweredSinceMs(1_900)).to.equal(100)
  })
})
