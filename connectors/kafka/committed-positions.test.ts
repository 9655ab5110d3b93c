import { expect } from 'chai'
import type { Admin } from 'kafkajs'
import type { Topic } from '../../processors/contract.ts'
import type { Position, PositionChange } from '../contract.ts'
import { KAFKAJS } from './client.ts'
import { claimCommitted, commitMetadata } from './committed-positions.ts'
import { TopicsRead } from './topics-read.ts'

const topic = 'telemetry.frames' as Topic
const OLD = 'a'.repeat(32)
const NEW = 'b'.repeat(32)
const ofTopic = (topicId: string): string => commitMetadata({ leaderEpoch: 2, topicId })

describe('the claim of a group whose offsets are Kafka’s', () => {
  let committed: string[]
  let noticed: PositionChange[]
  let away: boolean
  let forgotten: boolean
  let read: TopicsRead

  /** Partition 0 was committed at 5, until Kafka forgets it with the topic. */
  const kafkajs = {
    fetchOffsets: async () => [
      {
        topic,
        partitions: [forgotten ? { partition: 0, offset: '-1', metadata: null } : { partition: 0, offset: '5', metadata: ofTopic(OLD) }],
      },
    ],
  } as Partial<Admin> as Admin
  /** @param id the topic's; undefined while Kafka has none */
  const claim = (id: string | undefined) =>
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
        read,
      },
      [{ topic, partition: 0 }],
      new Map(id === undefined ? [] : [[topic, { id, partitions: 1 }]]),
    )

  beforeEach(() => {
    committed = []
    noticed = []
    away = false
    forgotten = false
    read = new TopicsRead()
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
  it('notices that the topic was recreated, though claims were made while there was none, and one was not finished', async () => {
    await claim(OLD)
    forgotten = true
    expect(await claim(undefined), 'no topic').to.deep.equal([])
    away = true
    expect(await claim(NEW).catch((cause: unknown) => cause)).to.be.instanceOf(Error)
    away = false
    expect(await claim(NEW)).to.deep.equal([{ topic, partition: 0, nextOffset: 1n, leaderEpoch: -1 }])
    expect(noticed.map(({ tag, to }) => [tag, to])).to.deep.equal([['recreated', 1n]])
    expect(committed).to.deep.equal(['1'])
  })

  it('takes no topic for another because the broker that was asked has not heard of it', async () => {
    expect(await claim(undefined)).to.deep.equal([])
    expect([committed, noticed]).to.deep.equal([[], []])
    expect(await claim(OLD)).to.deep.equal([{ topic, partition: 0, nextOffset: 5n, leaderEpoch: 2 }])
  })
})
