import type { Admin } from 'kafkajs'
import { groupLag } from '../../connectors/kafka/topics.ts'
import { CONTINUITY, continuityTopics } from '../../processors/continuity/topics.ts'
import type { Topic } from '../../processors/contract.ts'
import { topics } from '../../processors/topics.ts'
import type { Config } from '../../services/config.ts'
import { loadProcess } from '../../services/process/service.ts'
import { loadProcessor } from '../../services/processor/service.ts'
import type { GroupPartitionLag } from './lag-table.ts'

/** A consumer group and the topic that it reads. */
export interface ConsumerGroup {
  readonly group: string
  readonly topic: Topic
}

/** The groups of the configured processors, then the store's. */
export async function consumerGroups({ processors }: Config): Promise<readonly ConsumerGroup[]> {
  const groups = await Promise.all(processors.map(async (group) => (await topicsOf(group)).map((topic) => ({ group, topic }))))
  return [...groups.flat(), { group: 'store', topic: topics.readings }]
}

async function topicsOf(group: string): Promise<readonly Topic[]> {
  if (group === CONTINUITY) return continuityTopics
  return [((await loadProcess(group)) ?? (await loadProcessor(group))).from.topic]
}

/** Lag of every group on every partition. */
export async function lags(admin: Admin, groups: readonly ConsumerGroup[]): Promise<readonly GroupPartitionLag[]> {
  const all = await Promise.all(
    groups.map(async ({ group, topic }) => (await groupLag(admin, group, [topic])).map((partition) => ({ group, ...partition }))),
  )
  return all.flat()
}
