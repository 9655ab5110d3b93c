import {
  type Claim,
  ConnectorError,
  type FirstPosition,
  type KafkaLogs,
  type OffsetStore,
  type PositionChange,
  type TopicPartition,
} from '../connectors/contract.ts'
import type { ConsumerName } from '../processors/contract.ts'

export interface ClaimOptions {
  readonly consumer: ConsumerName
  readonly offsets: OffsetStore
  readonly logs: KafkaLogs
  readonly noticed: (change: PositionChange) => void
}

/**
 * Claims partitions for a consumer whose offsets are in a database. Each resumes at the database's
 * offset if Kafka's log still has what was read up to there. Otherwise it resumes where the two
 * part, and that is written to the database first, durably. Partitions that Kafka does not have are
 * left out.
 * @throws ConnectorError, transient if Kafka or the database is not there, or another owner claimed
 *   them meanwhile
 */
export async function claimPositions(
  { consumer, offsets, logs, noticed }: ClaimOptions,
  partitions: readonly TopicPartition[],
): Promise<readonly Claim[]> {
  const claims: Claim[] = []
  const names = [...new Set(partitions.map(({ topic }) => topic))]
  const states = await logs.topics(names)
  for (const topic of names) {
    const id = states.get(topic)?.id
    if (id === undefined) continue
    const earliest = new Map((await logs.extents(topic)).map((extent) => [extent.partition, extent.earliest]))
    const own = partitions.flatMap((each): FirstPosition[] => {
      const first = each.topic === topic ? earliest.get(each.partition) : undefined
      return first === undefined ? [] : [{ topic, partition: each.partition, earliest: first }]
    })
    if (own.length > 0) claims.push(...(await offsets.claim(consumer, id, own)))
  }
  for (const { topic, partition, origin, nextOffset } of claims) {
    if (origin === 'recreated') noticed({ topic, partition, tag: 'recreated', from: 0n, to: nextOffset })
  }
  const checks = await logs.check(claims)
  const changed: Claim[] = []
  const all = claims.map((claim, index) => {
    const { position = claim, change = null } = checks[index] ?? {}
    const now = { ...claim, ...position }
    if (change !== null) changed.push(now)
    return now
  })
  if (!(await offsets.reposition(consumer, changed)))
    throw new ConnectorError('FENCED', true, 'putting positions elsewhere: another owner claimed the partitions meanwhile')
  for (const { change } of checks) if (change !== null) noticed(change)
  return all
}
