import { expect } from 'chai'
import type { Topic } from '../../processors/contract.ts'
import { ConnectorError } from '../contract.ts'
import { KAFKAJS, type KafkaAdmin } from './client.ts'
import { ensureTopics } from './topics.ts'

describe('topics that were created', () => {
  it('are not waited for without end: the error names those that have no leader', async () => {
    // No broker can be made to do this: it takes the topic, and never has a leader for it.
    const leaderless = {
      listTopics: async () => [],
      describeCluster: async () => ({ brokers: [{ nodeId: 1 }] }),
      createTopics: async () => true,
      fetchTopicMetadata: async () => {
        throw Object.assign(new Error('no leader'), { type: 'LEADER_NOT_AVAILABLE' })
      },
    }
    const admin = { [KAFKAJS]: async () => leaderless } as unknown as KafkaAdmin
    const wanted = [{ topic: 'alerts' as Topic, partitions: 1, replicationFactor: 1, minInsyncReplicas: 1, config: {} }]
    const error: unknown = await ensureTopics(admin, wanted, 1).catch((cause: unknown) => cause)
    expect(error).to.be.instanceOf(ConnectorError).with.property('message').that.contains('alerts')
  })
})
