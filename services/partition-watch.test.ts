import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import type { Extent, KafkaLogs } from '../connectors/contract.ts'
import type { Topic } from '../processors/contract.ts'
import { watchPartitions } from './partition-watch.ts'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
const [frames, dead] = ['frames' as Topic, 'dead' as Topic]

describe('partitions that a topic gets while a service sends to it', () => {
  let counts: Map<Topic, number>
  let happened: string[]
  let problems: Map<string, string>
  let read: bigint
  let watch: Disposable
  const abort = new AbortController()

  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await delay(1)
  }

  beforeEach(() => {
    counts = new Map([
      [frames, 2],
      [dead, 2],
    ])
    happened = []
    problems = new Map()
    read = 0n
    const logs: KafkaLogs = {
      topics: async () => new Map([...counts].map(([topic, partitions]) => [topic, { id: 'id', partitions }])),
      extents: async (): Promise<readonly Extent[]> => [
        { partition: 0, earliest: 0n, end: 0n },
        { partition: 1, earliest: 3n, end: 10n },
        { partition: 2, earliest: 0n, end: 99n },
      ],
      check: async () => [],
      [Symbol.asyncDispose]: async () => undefined,
    }
    watch = watchPartitions({
      logs,
      producer: {
        hold: async () => void happened.push('hold'),
        resume: () => void happened.push('resume'),
        setPartitions: (topic, count) => void happened.push(`${topic} ${count}`),
      },
      partitions: new Map(counts),
      ordered: (topic) => topic === frames,
      readers: async () => [new Map([[1, read]]), new Map([[1, 10n]])],
      log: silent,
      signal: abort.signal,
      problem: (part, what) => void (what === null ? problems.delete(part) : problems.set(part, what)),
      lookMs: 1,
      longestHoldMs: 2_000,
    })
  })

  afterEach(() => watch[Symbol.dispose]())

  it('are sent to once all that was sent before has been read; meanwhile nothing is sent, and health says so', async () => {
    counts.set(frames, 3)
    await until(() => happened.includes('hold'))
    await until(() => problems.has('partitions of frames'))
    read = 9n
    await delay(300)
    expect(happened).to.deep.equal(['hold'])
    read = 10n
    await until(() => happened.includes('resume'))
    expect(happened).to.deep.equal(['hold', 'frames 3', 'resume'])
    expect([...problems]).to.deep.equal([])
  }).timeout(10_000)

  it('are sent to at once if order does not count, or if there are fewer', async () => {
    counts.set(dead, 5)
    await until(() => happened.length > 0)
    counts.set(frames, 1)
    await until(() => happened.length > 1)
    expect(happened).to.deep.equal(['dead 5', 'frames 1'])
  })

  it('are sent to after a while though somebody does not read', async () => {
    counts.set(frames, 3)
    await until(() => happened.includes('resume'))
    expect(happened).to.deep.equal(['hold', 'frames 3', 'resume'])
  }).timeout(10_000)

  it('are missed in health with their topic', async () => {
    counts.delete(frames)
    await until(() => problems.has('topic frames'))
    counts.set(frames, 2)
    await until(() => !problems.has('topic frames'))
    expect(happened).to.deep.equal([])
  })
})
