import { expect } from 'chai'
import type { TopicPartition } from '../connectors/contract.ts'
import type { KafkaRecord, Topic } from '../processors/contract.ts'
import { CopyWriter } from '../processors/store/copy-writer.ts'
import { Fill } from '../processors/store/fill.ts'
import { BadShare } from './bad-share.ts'
import { createHeldPartitions, type HeldPartitions } from './held-partitions.ts'

const TOPIC = 'telemetry.readings' as Topic
const assigned: readonly TopicPartition[] = [0, 1, 2].map((partition) => ({ topic: TOPIC, partition }))

/** Records that no schema explains: each is bad. */
function bad(partition: number, count: number): Fill {
  const fill = new Fill(new CopyWriter(64))
  for (let offset = 0; offset < count; offset++) {
    const record: KafkaRecord = { key: null, value: Buffer.alloc(5), timestampMs: 0, offset: BigInt(offset) }
    fill.add(TOPIC, partition, record, { tag: 'unknown' })
    fill.move(TOPIC, partition, 0n, BigInt(offset + 1))
  }
  return fill
}

describe('held partitions', () => {
  let held: HeldPartitions
  let health: Map<string, string>
  let reclaims: number

  beforeEach(() => {
    health = new Map()
    reclaims = 0
    held = createHeldPartitions({
      badShare: new BadShare({ limit: 0.05, minimumRecords: 10 }),
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      stopped: (partition, why) => (why === null ? health.delete(partition) : health.set(partition, why)),
      reclaim: () => {
        reclaims++
      },
    })
  })

  it('hold back the one that is too bad, say so, and give it free again', async function () {
    this.timeout(10_000)
    expect(held.stop(bad(1, 9))).to.equal(false)
    expect(held.stop(bad(1, 10))).to.equal(true)
    expect(held.without(assigned).map(({ partition }) => partition)).to.deep.equal([0, 2])
    expect(health.get('telemetry.readings/1')).to.match(/^10 of the last 10 records .* unknown-schema 10/)
    while (reclaims === 0) await new Promise((resolve) => setTimeout(resolve, 50))
    expect(held.without(assigned)).to.have.length(3)
    expect(health.size, 'trouble until a batch was committed').to.equal(1)
    held.committed(bad(1, 1))
    expect(health.size).to.equal(0)
  })

  it('leave to its new owner what was taken away', () => {
    held.stop(bad(1, 10))
    expect(held.without([{ topic: TOPIC, partition: 0 }])).to.have.length(1)
    expect(health.size).to.equal(0)
  })
})
