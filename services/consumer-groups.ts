import type { ConsumerName, Topic } from '../processors/contract.ts'
import type { Declaration } from '../processors/declaration.ts'
import type { Config } from './config.ts'
import { declaredServices } from './declared.ts'

/** A consumer group and the topic that it reads. */
export interface ConsumerGroup {
  readonly group: ConsumerName
  readonly topic: Topic
  readonly offsets: Declaration['offsets']
}

/** The groups of the configured services. */
export async function consumerGroups(config: Config): Promise<readonly ConsumerGroup[]> {
  const services = await declaredServices(config)
  return services.flatMap(({ name, reads, offsets }) => reads.map((topic) => ({ group: name, topic, offsets })))
}
