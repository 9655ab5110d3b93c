import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { createProducer } from '../../connectors/kafka/producer.ts'
import type { Topic } from '../../processors/contract.ts'
import { quiet, testKafka } from '../pipeline/stack-clients.ts'
import { closing } from './closing.ts'
import { createTopic, withAdmin } from './kafka-topics.ts'

describe('records for a partition that the broker has not heard of yet', () => {
  const opened = closing()
  const topic = `test.unheard.${Date.now().toString(36)}` as Topic

  before(async () => {
    await createTopic(topic)
    opened.atEnd(() => withAdmin((admin) => admin.deleteTopics({ topics: [topic] })))
  })

  it('wait for it: they are not taken for acknowledged', async function () {
    this.timeout(60_000)
    const kafka = testKafka()
    const producer = await opened.use(
      createProducer({
        kafka,
        partitions: new Map([[topic, 4]]),
        log: quiet,
        signal: new AbortController().signal,
        counters: { bytes: 0, retries: 0 },
      }),
    )
    // With four partitions, some of twenty keys are for each.
    const keys = Array.from({ length: 20 }, (_, index) => Buffer.from(`key-${index}`))
    let sent = false
    const sending = producer.send(keys.map((key) => ({ topic, key, value: key, timestampMs: Date.now() }))).then(() => {
      sent = true
    })
    await delay(1_500)
    expect(sent).to.equal(false)
    await withAdmin((admin) => admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] }))
    await sending
    const offsets = await withAdmin((admin) => admin.fetchTopicOffsets(topic))
    expect(offsets.filter(({ high }) => high !== '0')).to.have.length(4)
  })
})

describe('a broker that has not heard of topics yet', () => {
  const topics = Array.from({ length: 8 }, (_, index) => `test.unheard-of.${Date.now().toString(36)}.${index}` as Topic)

  after(() => withAdmin((admin) => admin.deleteTopics({ topics })))

  it('is no failure of who creates them, 100 partitions at a time', async function () {
    this.timeout(120_000)
    for (const topic of topics) await createTopic(topic, 100)
    expect(await withAdmin((admin) => admin.listTopics())).to.include.members(topics)
  })
})
