import avro from 'avsc'
import { expect } from 'chai'
import type { TopicPartition } from '../connectors/contract.ts'
import type { Topic } from '../processors/contract.ts'
import { CopyWriter } from '../processors/store/copy-writer.ts'
import type { LayoutLookup } from '../processors/store/layouts.ts'
import { RowBatch } from '../processors/store/row-batch.ts'
import { readSchema } from '../schemas/files.ts'
import { sampleLayout } from '../schemas/readings-layout.ts'
import { ManualClock } from '../test/memory/manual-clock.ts'
import { HeldPartitions } from './held-partitions.ts'

const TOPIC = 'telemetry.readings' as Topic
const schema = readSchema('readings').json
const known: LayoutLookup = { tag: 'known', layout: sampleLayout(schema) }
/** Readings without a sample. */
const GOOD = Buffer.concat([
  Buffer.alloc(5),
  avro.Type.forSchema(schema as avro.Schema, { wrapUnions: 'auto', logicalTypes: {} }).toBuffer({
    device_id: 'hive',
    firmware: 'hive-1',
    boot: 1,
    seq: 1,
    dropped: 0,
    samples: [],
  }),
])
const assigned: readonly TopicPartition[] = [0, 1, 2].map((partition) => ({ topic: TOPIC, partition }))

/** Records of 20 devices, three of each: no schema explains those that are bad. */
function records(partition: number, isBad: boolean): RowBatch {
  const rowBatch = new RowBatch(new CopyWriter(64))
  for (let offset = 0; offset < 60; offset++) {
    const key = Buffer.from(`hive${partition}-${offset % 20}`)
    rowBatch.add(
      TOPIC,
      partition,
      { key, value: isBad ? Buffer.alloc(5) : GOOD, timestampMs: 0, offset: BigInt(offset) },
      isBad ? { tag: 'unknown' } : known,
    )
    rowBatch.move(TOPIC, partition, 0n, BigInt(offset + 1))
  }
  return rowBatch
}

describe('held partitions', () => {
  let held: HeldPartitions
  let health: Map<string, string>
  let reclaims: number
  let clock: ManualClock

  beforeEach(() => {
    health = new Map()
    reclaims = 0
    clock = new ManualClock()
    held = new HeldPartitions({
      clock,
      limits: { share: 0.05, minimumDevices: 10, longestMs: 60_000 },
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      stopped: (partition, why) => (why === null ? health.delete(partition) : health.set(partition, why)),
      reclaim: () => {
        reclaims++
      },
    })
  })

  it('hold back the one of which the devices turn bad, say so, and give it free again', async () => {
    expect(held.stop(records(1, true)), 'devices that were never good').to.equal(false)
    held.committed(records(1, false))
    expect(held.stop(records(1, true))).to.equal(true)
    expect(held.without(assigned).map(({ partition }) => partition)).to.deep.equal([0, 2])
    expect(health.get('telemetry.readings/1')).to.match(/^20 of 20 devices .* unknown-schema 60/)
    await clock.advance(500)
    expect(reclaims).to.equal(0)
    await clock.advance(500)
    expect(reclaims).to.equal(1)
    expect(held.without(assigned)).to.have.length(3)
    expect(health.size, 'problem until a batch was committed').to.equal(1)
    held.committed(records(1, false))
    expect(health.size).to.equal(0)
  })

  it('leave to its new owner what was taken away', () => {
    held.committed(records(1, false))
    expect(held.stop(records(1, true))).to.equal(true)
    expect(held.without([{ topic: TOPIC, partition: 0 }])).to.have.length(1)
    expect(health.size).to.equal(0)
  })
})
