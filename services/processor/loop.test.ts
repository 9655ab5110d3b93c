import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import type { ConsumedBatch } from '../../connectors/contract.ts'
import type { DeviceId, KafkaRecord, Lookups, OutgoingRecord, Topic } from '../../processors/contract.ts'
import { ManualClock } from '../../test/memory/manual-clock.ts'
import { handlerOf } from '../consumer-service.ts'
import { createKafkaOffsets, type KafkaOffsets } from '../kafka-offsets.ts'
import { PartitionGuard } from '../partition-guard.ts'
import { StageClock } from '../stage-clock.ts'
import { createEngineCounters, type Engine, type EngineCounters } from './engine.ts'
import { createProcessorLoop, type ProcessorLoop } from './loop.ts'

const TOPIC = 'words' as Topic
const lookups: Lookups = {
  firmware: () => ({ tag: 'unknown' }),
  assignments: () => undefined,
  anchor: () => Number.NaN,
  schema: () => undefined,
  speaksFor: () => false,
  dialect: () => undefined,
}

describe('the loop of a processor, if too many devices turn bad', () => {
  let bad: number
  let sent: OutgoingRecord[]
  let counters: EngineCounters
  let health: Map<string, string>
  let loop: ProcessorLoop

  const batch = (records: number): ConsumedBatch => ({
    topic: TOPIC,
    partition: 3,
    records: Array.from(
      { length: records },
      (_, index): KafkaRecord => ({ key: Buffer.from(`hive${index % 20}`), value: null, timestampMs: 0, offset: BigInt(index) }),
    ),
    nextOffset: BigInt(records),
    leaderEpoch: 0,
  })

  beforeEach(() => {
    bad = 0
    sent = []
    counters = createEngineCounters()
    health = new Map()
    const engine: Engine = (records, _origin, _lookups, tally) => {
      tally.records += records.length
      const refused = records.flatMap((_, index) => (index % 20 < bad ? [index] : []))
      tally.rejected.set('rude', refused.length)
      return { sent: records.map(() => ({ topic: TOPIC, key: null, value: Buffer.alloc(0), timestampMs: 0 })), bad: refused }
    }
    loop = createProcessorLoop({
      stages: new StageClock(new ManualClock()),
      engine,
      lookups,
      prepare: async () => undefined,
      producer: {
        send: async (records) => {
          sent.push(...records)
        },
        async [Symbol.asyncDispose]() {},
      },
      offsets: { tell: () => undefined },
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      counters,
      guard: new PartitionGuard({
        clock: new ManualClock(),
        limits: { share: 0.05, minimumDevices: 10, longestMs: 60_000 },
        log: { info: () => undefined, warn: () => undefined, error: () => undefined },
        stopped: (partition, why) => (why === null ? health.delete(partition) : health.set(partition, why)),
      }),
    })
  })

  const refused = async (): Promise<unknown> =>
    loop.handle(batch(100), 0).then(
      () => undefined,
      (cause: unknown) => cause,
    )

  it('sends and counts nothing of the batch, and says why; the same batch is taken once its cause is fixed', async () => {
    expect(await refused()).to.equal(undefined)
    await loop.drain()
    const before = structuredClone(counters)
    sent = []
    bad = 10
    expect(await refused()).to.be.instanceOf(Error)
    expect(sent).to.deep.equal([])
    expect(counters).to.deep.equal(before)
    expect(health.get('words/3')).to.match(/^10 of 20 devices that were good lately are refused now; in this batch of words\/3: rude 50/)
    bad = 9
    expect(await refused()).to.equal(undefined)
    await loop.drain()
    expect(sent).to.have.length(100)
    expect(counters.records).to.equal(200)
    expect(health.size).to.equal(0)
  })

  it('is healthy again if the partition went to another owner', async () => {
    await refused()
    bad = 20
    await refused()
    expect(health.size).to.equal(1)
    loop.revoked()
    expect(health.size).to.equal(0)
  })
})

describe('the loop of a processor whose messages name devices', () => {
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

  it('asks the database for those that nobody knows, and processes the batch again, once', async () => {
    const known = new Set<string>()
    let asked: string[] = []
    let unknown = new Set<DeviceId>()
    const settled: string[][] = []
    const sent: OutgoingRecord[] = []
    let runs = 0
    const counters = createEngineCounters()
    const engine: Engine = (records, _origin, _lookups, tally, unsure) => {
      runs++
      tally.records += records.length
      unknown = new Set(asked.filter((device) => !known.has(device)) as DeviceId[])
      if (unsure?.()) return { sent: [], bad: [], unsure: true }
      return { sent: [{ topic: TOPIC, key: null, value: Buffer.from([...unknown].join()), timestampMs: 0 }], bad: [] }
    }
    const loop = createProcessorLoop({
      stages: new StageClock(new ManualClock()),
      engine,
      lookups,
      prepare: async () => undefined,
      unsure: {
        take: () => unknown,
        async settle(devices) {
          settled.push([...devices])
          known.add('new')
        },
      },
      producer: {
        send: async (records) => {
          sent.push(...records)
        },
        async [Symbol.asyncDispose]() {},
      },
      offsets: { tell: () => undefined },
      log: silent,
      counters,
      guard: new PartitionGuard({
        clock: new ManualClock(),
        limits: { share: 0.05, minimumDevices: 10, longestMs: 60_000 },
        log: silent,
        stopped: () => undefined,
      }),
    })
    const record: KafkaRecord = { key: null, value: null, timestampMs: 0, offset: 0n }
    const handle = async (...devices: string[]): Promise<void> => {
      asked = devices
      await loop.handle({ topic: TOPIC, partition: 0, records: [record], nextOffset: 1n, leaderEpoch: 0 }, 0)
    }
    await handle('new', 'foreign')
    await handle('new')
    await loop.drain()
    expect(settled).to.deep.equal([['new', 'foreign']])
    expect(sent.map(({ value }) => String(value))).to.deep.equal(['foreign', ''])
    expect([runs, counters.records]).to.deep.equal([3, 2])
  })
})

describe('offsets of a processor', () => {
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

  it('are those of its last batch in the end, though Kafka was away for the first commit and took it late', async () => {
    let kafka: bigint | undefined
    let calls = 0
    const offsets = createKafkaOffsets({
      commit: async ([position]) => {
        if (calls++ === 0) await delay(60)
        kafka = position?.nextOffset
      },
      log: silent,
      everyMs: 5,
    })
    const loop = createProcessorLoop({
      stages: new StageClock(new ManualClock()),
      engine: () => ({ sent: [], bad: [] }),
      lookups,
      prepare: async () => undefined,
      producer: { send: async () => undefined, async [Symbol.asyncDispose]() {} },
      offsets,
      log: silent,
      counters: createEngineCounters(),
      guard: new PartitionGuard({
        clock: new ManualClock(),
        limits: { share: 0.05, minimumDevices: 10, longestMs: 60_000 },
        log: silent,
        stopped: () => undefined,
      }),
    })
    for (let nextOffset = 1n; nextOffset <= 6n; nextOffset++) {
      await loop.handle({ topic: TOPIC, partition: 0, records: [], nextOffset, leaderEpoch: 0 }, 0)
      await delay(10)
    }
    await delay(80)
    expect(kafka).to.equal(6n)
    await loop.drain()
    await offsets[Symbol.asyncDispose]()
  })

  it('of partitions that were taken away are not committed', async () => {
    const told: string[] = []
    const offsets: KafkaOffsets = {
      tell: (positions) => void told.push(...positions.map(({ nextOffset }) => String(nextOffset))),
      forget: () => void told.push('forgotten'),
      async [Symbol.asyncDispose]() {},
    }
    let acknowledge = (): void => undefined
    const loop = createProcessorLoop({
      stages: new StageClock(new ManualClock()),
      engine: () => ({ sent: [], bad: [] }),
      lookups,
      prepare: async () => undefined,
      producer: { send: () => new Promise<void>((resolve) => (acknowledge = resolve)), async [Symbol.asyncDispose]() {} },
      offsets,
      log: silent,
      counters: createEngineCounters(),
      guard: new PartitionGuard({
        clock: new ManualClock(),
        limits: { share: 0.05, minimumDevices: 10, longestMs: 60_000 },
        log: silent,
        stopped: () => undefined,
      }),
    })
    await loop.handle({ topic: TOPIC, partition: 0, records: [], nextOffset: 1n, leaderEpoch: 0 }, 0)
    handlerOf(loop, offsets).revoked?.()
    acknowledge()
    await loop.drain()
    expect(told).to.deep.equal(['forgotten'])
  })
})
