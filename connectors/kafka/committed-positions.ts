import type { Admin } from 'kafkajs'
import type { Topic } from '../../processors/contract.ts'
import type { KafkaLogs, Position, PositionChange, TopicPartition, TopicState } from '../contract.ts'

/** What is committed to Kafka beside an offset: what tells whether it still says something of the log that is there. */
export interface CommittedWith {
  readonly leaderEpoch: number
  readonly topicId: string
}

const FORM = /^leaderEpoch=(-?\d+) topicId=([0-9a-f]{32})$/

/** Kafka keeps a leader epoch itself only from a version of its request on that kafkajs does not know, and no topic ID. */
export function commitMetadata({ leaderEpoch, topicId }: CommittedWith): string {
  return `leaderEpoch=${leaderEpoch} topicId=${topicId}`
}

/** Undefined where somebody else committed, or an older Millrace. */
export function parseCommitMetadata(metadata: string | null): CommittedWith | undefined {
  const [, leaderEpoch, topicId] = FORM.exec(metadata ?? '') ?? []
  return leaderEpoch === undefined || topicId === undefined ? undefined : { leaderEpoch: Number(leaderEpoch), topicId }
}

export interface CommittedPositionsOptions {
  readonly admin: Admin
  readonly group: string
  readonly logs: KafkaLogs
  readonly noticed: (change: PositionChange) => void
}

/**
 * Where a group whose offsets are Kafka's goes on: where it committed, if the log still has what it had read, or at the earliest record. Partitions that
 * Kafka does not have are left out.
 * @param before the topics as they were when this member last asked; Kafka forgets what was committed to a topic with the topic
 */
export async function committedPositions(
  { admin, group, logs, noticed }: CommittedPositionsOptions,
  partitions: readonly TopicPartition[],
  states: ReadonlyMap<Topic, TopicState>,
  before: ReadonlyMap<Topic, TopicState>,
): Promise<readonly Position[]> {
  const names = [...new Set(partitions.map(({ topic }) => topic))]
  const committed = new Map(
    (await admin.fetchOffsets({ groupId: group, topics: names })).flatMap(({ topic, partitions: offsets }) =>
      offsets.map(({ partition, offset, metadata }) => [`${topic}/${partition}`, { offset: BigInt(offset), metadata }] as const),
    ),
  )
  const earliest = new Map<string, bigint>()
  for (const topic of names) for (const extent of await logs.extents(topic)) earliest.set(`${topic}/${extent.partition}`, extent.earliest)
  const changes: PositionChange[] = []
  const positions = partitions.flatMap(({ topic, partition }): Position[] => {
    const first = earliest.get(`${topic}/${partition}`)
    if (first === undefined) return []
    const { offset, metadata } = committed.get(`${topic}/${partition}`) ?? { offset: -1n, metadata: null }
    const known = parseCommitMetadata(metadata)
    const id = states.get(topic)?.id
    const readOf = offset < 0n ? before.get(topic)?.id : known?.topicId
    if (readOf !== undefined && readOf !== id)
      changes.push({ topic, partition, tag: 'recreated', from: offset < 0n ? 0n : offset, to: first })
    if (offset < 0n || (known !== undefined && known.topicId !== id)) return [{ topic, partition, nextOffset: first, leaderEpoch: -1 }]
    return [{ topic, partition, nextOffset: offset, leaderEpoch: known?.leaderEpoch ?? -1 }]
  })
  const checked = await logs.check(positions)
  // Told once all is known: an attempt that failed halfway is made again.
  for (const change of [...changes, ...checked.flatMap(({ change: found }) => found ?? [])]) noticed(change)
  return checked.map(({ position }) => position)
}
