import { expect } from 'chai'
import type { Admin } from 'kafkajs'
import type { Topic } from '../../processors/contract.ts'
import type { Position, PositionChange } from '../contract.ts'
import { KAFKAJS } from './client.ts'
import { claimCommitted, commitMetadata } from './committed-positions.ts'

const topic = 'telemetry.frames' as Topic
const OLD = 'a'.repeat(32)
const NEW = 'b'.repeat(32)

describe('the claim of a group whose offsets are Kafka’s', () => {
  let committed: string[]
  let noticed: PositionChange[]
  let away: boolean

  /** Partition 0 was committed at 5. */
  const kafkajs = {
    fetchOffsets: async () => [
      { topic, partitions: [{ partition: 0, offset: '5', metadata: commitMetadata({ leaderEpoch: 2, topicId: OLD }) }] },
    ],
  } as Partial<Admin> as Admin
  const claim = (id: string) =>
    claimCommitted(
      {
        admin: { [KAFKAJS]: async () => kafkajs, async [Symbol.asyncDispose]() {} },
        group: 'standardise',
        logs: {
          extents: async () => [{ partition: 0, earliest: 1n, end: 9n }],
          check: async (positions: readonly Position[]) => positions.map((position) => ({ position, change: null })),
        },
        noticed: (change) => void noticed.push(change),
        commit: async (positions) => {
          if (away) throw new Error('Kafka is away')
          committed.push(...positions.map(({ nextOffset }) => String(nextOffset)))
        },
      },
      [{ topic, partition: 0 }],
      new Map([[topic, { id, partitions: 1 }]]),
      new Map(),
    )

  beforeEach(() => {
    committed = []
    noticed = []
    away = false
  })

  it('commits nothing if it goes on where it was', async () => {
    expect(await claim(OLD)).to.deep.equal([{ topic, partition: 0, nextOffset: 5n, leaderEpoch: 2 }])
    expect([committed, noticed]).to.deep.equal([[], []])
  })

  it('has Kafka take the positions that it was put to before anything is handled', async () => {
    expect(await claim(NEW)).to.deep.equal([{ topic, partition: 0, nextOffset: 1n, leaderEpoch: -1 }])
    expect(committed).to.deep.equal(['1'])
    expect(noticed.map(({ tag }) => tag)).to.deep.equal(['recreated'])
  })

  it('is made again if Kafka does not take them, and what it noticed is told once', async () => {
    away = true
    expect(await claim(NEW).catch((cause: unknown) => cause)).to.be.instanceOf(Error)
    expect(noticed).to.deep.equal([])
    away = false
    await claim(NEW)
    expect(noticed).to.have.length(1)
  })
})
