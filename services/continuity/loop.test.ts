import { expect } from 'chai'
import { systemClock } from '../../connectors/clock.ts'
import type { Claim, ConsumedBatch, PositionChange, TopicPartition } from '../../connectors/contract.ts'
import type { ContinuityStore } from '../../connectors/postgres/continuity-store.ts'
import type { StoredPosition } from '../../connectors/postgres/offsets.ts'
import { CONTINUITY } from '../../processors/continuity/declaration.ts'
import { topics } from '../../processors/topics.ts'
import { ManualClock } from '../../test/memory/manual-clock.ts'
import { StageClock } from '../stage-clock.ts'
import { ContinuityLoop } from './loop.ts'

const READINGS_ID = 'a'.repeat(32)
const place: TopicPartition = { topic: topics.readings, partition: 0 }
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** A loop over one partition, of which the store and Kafka say what they are told to. */
async function loopOver(change: PositionChange['tag'] | null) {
  const clock = new ManualClock()
  let stored: StoredPosition[] = []
  let asked = 0
  let reclaims = 0
  const counters = {
    readings: 0,
    deadLetters: 0,
    unreadable: 0,
    loads: 0,
    commits: 0,
    retries: 0,
    fenced: 0,
    implausible: 0,
    late: 0,
  }
  const claimed: Claim = { ...place, nextOffset: 100n, leaderEpoch: 1, epoch: 1n, origin: 'kept' }
  const store: ContinuityStore = {
    claim: async () => [claimed],
    commit: async () => true,
    reposition: async () => true,
    lost: async () => [],
    load: () => Promise.reject(new RangeError('no record has a boot')),
    positions: async () => stored,
    [Symbol.asyncDispose]: async () => undefined,
  }
  const loop = new ContinuityLoop({
    stages: new StageClock(systemClock),
    name: CONTINUITY,
    reads: [topics.readings],
    store,
    claim: async () => [claimed],
    logs: {
      topics: async () => new Map([[topics.readings, { id: READINGS_ID, partitions: 1 }]]),
      extents: async () => [{ partition: 0, earliest: 0n, end: 0n }],
      check: async ([position]) => {
        asked++
        if (position === undefined) throw new RangeError('no position')
        return [{ position, change: change === null ? null : { ...place, tag: change, from: position.nextOffset, to: 105n } }]
      },
      [Symbol.asyncDispose]: async () => undefined,
    },
    prepare: async () => undefined,
    schemas: { firmware: () => ({ tag: 'unknown' }), firmwareOf: () => ({ tag: 'unknown' }) },
    devices: { ask: async () => undefined, has: () => true },
    decode: () => {
      throw new RangeError('there are no dead letters')
    },
    flushMs: 60_000,
    pollMs: 20,
    log: silent,
    signal: new AbortController().signal,
    counters,
    consumer: {
      pause: () => undefined,
      resume: () => undefined,
      reclaim: () => {
        reclaims++
      },
    },
    offsets: { tell: () => undefined },
    clock,
    problem: () => undefined,
  })
  await loop.claim([place], 1)
  return {
    loop,
    clock,
    taken: () => counters.readings,
    asked: () => asked,
    reclaims: () => reclaims,
    storeIsAt(nextOffset: bigint, leaderEpoch: number): void {
      stored = [{ ...place, nextOffset, leaderEpoch, topicId: READINGS_ID }]
    },
  }
}

/** Ten readings of the leader of epoch 1. */
const held: ConsumedBatch = {
  ...place,
  records: Array.from({ length: 10 }, (_, index) => ({ key: null, value: null, timestampMs: 0, offset: 100n + BigInt(index) })),
  nextOffset: 110n,
  leaderEpoch: 1,
}

describe('the ledger of frames, while it holds readings that the store has not committed', () => {
  it('takes them once the store has passed them', async () => {
    const { loop, clock, taken, asked, storeIsAt } = await loopOver(null)
    storeIsAt(110n, 1)
    const handling = loop.handle(held, 1)
    await clock.advance(60)
    await handling
    await clock.advance(60)
    expect(taken()).to.equal(10)
    expect(asked()).to.equal(0)
    await loop.drain()
  })

  it('does not call them stored when the log was cut and the store has passed their offsets with what a later leader wrote', async () => {
    const { loop, clock, taken, reclaims, storeIsAt } = await loopOver('truncated')
    storeIsAt(100n, 1)
    const handling = loop.handle(held, 1)
    await clock.advance(60)
    await handling
    storeIsAt(120n, 2)
    await clock.advance(100)
    expect(taken()).to.equal(0)
    expect(reclaims()).to.equal(1)
    await loop.drain()
  })

  it('takes them when the later leader goes on with the same log, and asks Kafka once', async () => {
    const { loop, clock, taken, asked, reclaims, storeIsAt } = await loopOver(null)
    storeIsAt(105n, 2)
    const handling = loop.handle(held, 1)
    await clock.advance(60)
    await handling
    await clock.advance(60)
    storeIsAt(120n, 2)
    await clock.advance(60)
    expect(taken()).to.equal(10)
    expect(asked()).to.equal(1)
    expect(reclaims()).to.equal(0)
    await loop.drain()
  })

  it('takes them when retention has deleted them since: the store had read them', async () => {
    const { loop, clock, taken, reclaims, storeIsAt } = await loopOver('deleted')
    storeIsAt(120n, 2)
    const handling = loop.handle(held, 1)
    await clock.advance(60)
    await handling
    await clock.advance(60)
    expect(taken()).to.equal(10)
    expect(reclaims()).to.equal(0)
    await loop.drain()
  })
})
