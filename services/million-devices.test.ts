import { expect } from 'chai'
import { DeviceCache } from '../connectors/postgres/device-cache.ts'
import { OverRate } from '../processors/bridge/over-rate.ts'
import { createTokenBuckets } from '../processors/bridge/token-buckets.ts'
import type { DeviceId } from '../processors/contract.ts'
import { DeadLetterBudget } from '../processors/dead-letter-budget.ts'
import { memoryKept } from '../test/memory-kept.ts'
import { createBootAnchors } from './boot-anchors.ts'
import { RecentDevices } from './recent-devices.ts'

const IDS = 1_000_000
/** All that services keep by the name of a device, together. */
const MOST_BYTES = 100 << 20
const DAY_MS = 86_400_000

/** What a service remembers for each device that it hears of, however it is called. */
describe('a million device IDs that nobody has heard of', () => {
  const limits = { deadLetters: 1_000, bytes: 1 << 20, totalBytes: 64 << 20, windowMs: DAY_MS }

  it('fill no memory: every table of devices has a size, and the oldest make room', async function () {
    this.timeout(60_000)
    const buckets = createTokenBuckets({ messagesPerSecond: 1, burst: 10, bytesPerSecond: 1_000, burstBytes: 10_000 })
    const [budget, overRate, recent] = [new DeadLetterBudget(limits), new OverRate({ ...limits, totalBytes: 1_000 }), new RecentDevices()]
    const cache = new DeviceCache({ unknownMs: 1_000, unknownLimit: 10_000, now: () => 0 })
    const anchors = createBootAnchors({ find: async () => [], now: () => 0 })
    const before = memoryKept().heapUsed
    for (let index = 0; index < IDS; index++) {
      const id = `stranger-${index}`
      const key = Buffer.from(id)
      buckets.take(id, 100, index, 0)
      budget.admit(key, 'unknown-device', 10, 1)
      overRate.admit({ topic: `devices/${id}/telemetry`, payload: key, receivedMs: 1 }, key)
      recent.goodAt[recent.findOrAdd(key)] = 1
    }
    // A batch of records at a time, as services look devices up.
    for (let index = 0; index < IDS; index += 1_000)
      cache.replace(
        Array.from({ length: 1_000 }, (_, next) => `stranger-${index + next}`),
        new Map(),
      )
    for (let boot = 0; boot < 300_000; boot += 1_000)
      await anchors.prepare(
        Array.from({ length: 1_000 }, (_, index) => ({ device: 'stranger' as DeviceId, boot: boot + index, beganMicros: 0 })),
      )
    expect(memoryKept().heapUsed - before).to.be.below(MOST_BYTES)
    // All of them are asked after the collection: none was collected itself.
    expect(buckets.size).to.be.at.most(100_000)
    expect(overRate.due(2 * DAY_MS).length).to.be.at.most(10_001)
    budget.admit(Buffer.from('stranger-0'), 'unknown-device', 10, 1)
    await anchors.prepare([])
    // What is remembered is still right: the newest is known, and one that makes room is new again.
    expect(recent.find(Buffer.from(`stranger-${IDS - 1}`))).to.be.at.least(0)
    expect(cache.missing(new Set([`stranger-${IDS - 1}` as DeviceId, 'stranger-0' as DeviceId]))).to.deep.equal(['stranger-0'])
  })
})
