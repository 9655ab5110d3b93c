import { expect } from 'chai'
import { ManualClock } from '../../test/memory/manual-clock.ts'
import { startPulse } from './pulse.ts'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

describe('the pulse of the bridge', () => {
  it('is written every 10 s while the bridge forwards, and not while its session is lost', async () => {
    const clock = new ManualClock()
    let forwarding = true
    let written = 0
    const pulse = startPulse({
      write: async () => {
        written++
      },
      isForwarding: () => forwarding,
      clock,
      log: silent,
      problem: () => undefined,
    })
    const pass = async (seconds: number): Promise<void> => {
      for (let second = 0; second < seconds; second++) await clock.advance(1_000)
    }
    await pass(35)
    expect(written).to.equal(4)
    forwarding = false
    await pass(120)
    expect(written).to.equal(4)
    // Not 10 s later: whoever waits for silence of devices begins to count anew.
    forwarding = true
    await pass(2)
    expect(written).to.equal(5)
    await pulse[Symbol.asyncDispose]()
  })
})
