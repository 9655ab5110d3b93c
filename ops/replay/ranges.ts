import { type KafkaClient, openAdmin } from '../../connectors/kafka/client.ts'
import { openTopicLogs } from '../../connectors/kafka/topic-logs.ts'
import { offsetsAt } from '../../connectors/kafka/topics.ts'
import type { Topic } from '../../processors/contract.ts'
import { DAY_MS } from '../../processors/store/time-ranges.ts'
import { NEWEST_DAYS } from '../../processors/time-bounds.ts'
import { ConfigError } from '../../services/config.ts'
import type { LogRange } from './partition-log.ts'

export interface ReplayRange extends LogRange {
  readonly begin: bigint
}

/** From when on. */
export interface ReplayFrom {
  /** Milliseconds since 1970. */
  readonly fromMs: number
  /** Whether it is a time of receipt, and not of measurement. */
  readonly byReceipt: boolean
}

/** Milliseconds since 1970: what was received earlier cannot match. */
export function receivedFrom({ fromMs, byReceipt }: ReplayFrom): number {
  return Math.max(0, Math.floor(fromMs) - (byReceipt ? 0 : NEWEST_DAYS * DAY_MS))
}

/**
 * Where to read each partition. Samples may be received long after their time, but only a day
 * before it, so what was received earlier than that cannot match. `cut`: partitions of which Kafka
 * has deleted records that may match.
 * @throws ConfigError if there is no such topic
 */
export async function replayRanges(
  kafka: KafkaClient,
  topic: Topic,
  { fromMs, byReceipt }: ReplayFrom,
): Promise<{ readonly topicId: string; readonly ranges: readonly ReplayRange[]; readonly cut: readonly number[] }> {
  await using logs = openTopicLogs(kafka)
  await using admin = openAdmin(kafka)
  const state = (await logs.topics([topic])).get(topic)
  if (state === undefined) throw new ConfigError(`--topic: there is no topic ${JSON.stringify(topic)}`)
  const begins = await offsetsAt(admin, topic, receivedFrom({ fromMs, byReceipt }))
  const extents = await logs.extents(topic)
  const ranges = extents.map(({ partition, earliest, end }) => {
    const found = begins.get(partition) ?? earliest
    const begin = found < earliest ? earliest : found > end ? end : found
    return { partition, begin, next: begin, end }
  })
  const cut = extents.flatMap(({ partition, earliest }) =>
    earliest > 0n && ranges.find((range) => range.partition === partition)?.begin === earliest ? [partition] : [],
  )
  return { topicId: state.id, ranges, cut }
}
