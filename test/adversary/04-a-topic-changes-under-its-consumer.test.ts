import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import type { PositionChange } from '../../connectors/contract.ts'
import { GroupConsumer } from '../../connectors/kafka/consumer.ts'
import { createProducer } from '../../connectors/kafka/producer.ts'
import { openTopicLogs } from '../../connectors/kafka/topic-logs.ts'
import type { ConsumerName, Topic } from '../../processors/contract.ts'
import { until } from '../pipeline/service.ts'
import { quiet, testKafka } from '../pipeline/stack-clients.ts'
import { createTopic, deleteTopics, withAdmin } from './kafka-topics.ts'

describe("a topic that changes under a consumer whose offsets are Kafka's", () => {
  const kafka = testKafka()
  const run = Date.now().toString(36)
  let topic: Topic
  let handled: string[]
  let noticed: PositionChange[]
  let number = 0

  async function create(): Promise<void> {
    await createTopic(topic)
  }
  async function send(...values: readonly string[]): Promise<void> {
    const counters = { bytes: 0, retries: 0 }
    const signal = new AbortController().signal
    await using producer = await createProducer({ kafka, partitions: new Map([[topic, 1]]), log: quiet, signal, counters })
    await producer.send(values.map((value) => ({ topic, key: null, value: Buffer.from(value), timestampMs: Date.now() })))
  }
  /** What retention does. */
  const deleteBelow = (offset: number): Promise<void> =>
    withAdmin(async (admin) => {
      // kafkajs has the topic's metadata only then.
      await admin.fetchTopicOffsets(topic)
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] })
    })

  /** Handles what there is, commits it, and stops. */
  async function consume(values: number, meanwhile: (consumer: GroupConsumer) => Promise<void> = async () => undefined): Promise<void> {
    await using logs = openTopicLogs(kafka)
    const wanted = handled.length + values
    await using consumer = new GroupConsumer({
      kafka,
      group: `test-${topic}` as ConsumerName,
      topics: [topic],
      sessionTimeoutMs: 6_000,
      log: quiet,
      signal: new AbortController().signal,
      counters: { rebalances: 0 },
      logs,
      noticed: (change) => void noticed.push(change),
    })
    await consumer.run({
      handle: async ({ records, ...position }) => {
        handled.push(...records.map(({ value }) => String(value)))
        await consumer.commit([position])
      },
    })
    await meanwhile(consumer)
    await until(`${wanted} values`, async () => handled.length >= wanted, 30_000)
    await delay(100)
  }

  beforeEach(async () => {
    topic = `test.changing.${run}.${number++}` as Topic
    handled = []
    noticed = []
    await create()
  })

  afterEach(() => withAdmin((admin) => admin.deleteTopics({ topics: [topic] })))

  it('begins at the first record that retention has left', async () => {
    await send('a', 'b', 'c')
    await deleteBelow(2)
    await consume(1)
    expect(handled).to.deep.equal(['c'])
    expect(noticed).to.deep.equal([])
  })

  it('is told how many records retention took while nobody read', async () => {
    await send('a')
    await consume(1)
    await send('b', 'c', 'd')
    await deleteBelow(3)
    await consume(1)
    expect(handled).to.deep.equal(['a', 'd'])
    expect(noticed).to.deep.equal([{ topic, partition: 0, tag: 'deleted', from: 1n, to: 3n }])
  })

  it('reads a topic that was made anew from its beginning, though it has passed the old position before anybody looked', async () => {
    await send('a', 'b')
    await consume(2)
    await deleteTopics(topic)
    await create()
    await send('c', 'd', 'e', 'f')
    await consume(4)
    expect(handled).to.deep.equal(['a', 'b', 'c', 'd', 'e', 'f'])
  })

  it('does so while it runs, too, and is told', async () => {
    await send('a', 'b')
    await consume(6, async () => {
      await until('the first ones', async () => handled.length === 2)
      await deleteTopics(topic)
      await create()
      await send('c', 'd', 'e', 'f')
    })
    // Some may come twice: they were read beyond the old position before the new topic was noticed.
    expect([...new Set(handled)].sort()).to.deep.equal(['a', 'b', 'c', 'd', 'e', 'f'])
    await until('it was told', async () => noticed.some(({ tag }) => tag === 'recreated'))
  })
})
