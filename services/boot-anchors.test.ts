import { expect } from 'chai'
import type { DeviceId } from '../processors/contract.ts'
import type { UptimeBoot } from '../processors/standardise/uptimes.ts'
import { type BootAnchors, createBootAnchors } from './boot-anchors.ts'

const device = 'a' as DeviceId
const boot = (number: number): UptimeBoot => ({ device, boot: number, beganMicros: number })

describe('anchors in memory', () => {
  let asked: readonly number[][]
  let nowMs: number
  let anchors: BootAnchors

  /** Boots of 1,000 and more get none. */
  const open = (remembered: number): void => {
    asked = []
    nowMs = 0
    anchors = createBootAnchors({
      now: () => nowMs,
      remembered,
      find: async (boots) => {
        asked = [...asked, boots.map((each) => each.boot)]
        return boots
          .filter((each) => each.boot < 1000)
          .map((each) => ({ device: each.device, boot: each.boot, anchorMicros: each.boot * 10 }))
      },
    })
  }

  it('are read once', async () => {
    open(100)
    await anchors.prepare([boot(1), boot(2)])
    await anchors.prepare([boot(2), boot(3)])
    expect(asked).to.deep.equal([[1, 2], [3]])
    expect([1, 2, 3, 4].map((number) => anchors.anchor(device, number))).to.deep.equal([10, 20, 30, Number.NaN])
  })

  it('that do not exist are asked for once a minute', async () => {
    open(100)
    for (const at of [0, 1_000, 59_000, 61_000]) {
      nowMs = at
      await anchors.prepare([boot(1000)])
    }
    expect(asked).to.deep.equal([[1000], [1000]])
    expect(anchors.anchor(device, 1000)).to.be.NaN
  })

  it('are not more than twice what is to be remembered, and what is in use is kept', async () => {
    open(10)
    for (let number = 0; number < 500; number++) {
      await anchors.prepare([boot(7), boot(number)])
      expect(anchors.anchor(device, 7)).to.equal(70)
      expect(anchors.anchor(device, number)).to.equal(number * 10)
    }
    expect(asked.filter((numbers) => numbers.includes(7))).to.have.length(1)
    expect(
      Array.from({ length: 500 }, (_, number) => anchors.anchor(device, number)).filter((anchor) => !Number.isNaN(anchor)).length,
    ).to.be.at.most(21)
  })
})
