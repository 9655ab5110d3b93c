import { CONTINUITY, continuityTopics } from '../processors/continuity/topics.ts'
import type { ConsumerName, Topic } from '../processors/contract.ts'
import { topics } from '../processors/topics.ts'
import type { Config } from './config.ts'
import { loadProcess, loadProcessor } from './loading.ts'

/** A consumer group and the topic that it reads. */
export interface ConsumerGroup {
  readonly group: ConsumerName
  readonly topic: Topic
  /**
   * Who decides where it goes on: Kafka, or a database. What the latter's groups commit to Kafka is
   * for lag tools.
   */
  readonly offsets: 'kafka' | 'telemetry' | 'app'
}

/** The groups of the configured processors, then the store's. */
export async function consumerGroups({ processors }: Config): Promise<readonly ConsumerGroup[]> {
  const groups = await Promise.all(processors.map((name) => groupsOf(name as ConsumerName)))
  return [...groups.flat(), { group: 'store' as ConsumerName, topic: topics.readings, offsets: 'telemetry' }]
}

async function groupsOf(group: ConsumerName): Promise<readonly ConsumerGroup[]> {
  if (group === CONTINUITY) return continuityTopics.map((topic) => ({ group, topic, offsets: 'telemetry' }))
  const process = await loadProcess(group)
  if (process !== undefined) return [{ group, topic: process.from.topic, offsets: process.database }]
  return [{ group, topic: (await loadProcessor(group)).from.topic, offsets: 'kafka' }]
}
