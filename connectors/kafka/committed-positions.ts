import type { Topic } from '../../processors/contract.ts'
import type { KafkaLogs, Position, PositionChange, TopicPartition, TopicState } from '../contract.ts'
import { KAFKAJS, type KafkaAdmin } from './client.ts'
import type { KnownOffset } from './lag.ts'
import type { TopicsRead } from './topics-read.ts'

/**
 * What is committed to Kafka beside an offset. It tells whether the offset still is one of the log
 * that is there.
 */
export interface CommittedWith {
  readonly leaderEpoch: number
  readonly topicId: string
}

const FORM = /^leaderEpoch=(-?\d+) topicId=([0-9a-f]{32})$/

/**
 * The metadata of a commit. Kafka itself keeps a leader epoch only in a newer version of the
 * request than kafkajs knows, and it keeps no topic ID.
 */
export function commitMetadata({ leaderEpoch, topicId }: CommittedWith): string {
  return `leaderEpoch=${leaderEpoch} topicId=${topicId}`
}

/** Undefined if somebody else committed, or an older Millrace. */
export function parseCommitMetadata(metadata: string | null): CommittedWith | undefined {
  const [, leaderEpoch, topicId] = FORM.exec(metadata ?? '') ?? []
  return leaderEpoch === undefined || topicId === undefined ? undefined : { leaderEpoch: Number(leaderEpoch), topicId }
}

/** What a group committed to Kafka. */
export interface CommittedOffset extends KnownOffset {
  readonly leaderEpoch: number
}

/** What a group committed of a topic, by partition. */
export async function committedOffsets(admin: KafkaAdmin, group: string, topic: Topic): Promise<ReadonlyMap<number, CommittedOffset>> {
  const [found] = await (await admin[KAFKAJS]()).fetchOffsets({ groupId: group, topics: [topic] })
  return new Map(
    found?.partitions.flatMap(({ partition, offset, metadata }): readonly (readonly [number, CommittedOffset])[] => {
      const [nextOffset, known] = [BigInt(offset), parseCommitMetadata(metadata)]
      return nextOffset < 0n ? [] : [[partition, { nextOffset, topicId: known?.topicId, leaderEpoch: known?.leaderEpoch ?? -1 }]]
    }),
  )
}

export interface ClaimCommittedOptions {
  readonly admin: KafkaAdmin
  readonly group: string
  readonly logs: Pick<KafkaLogs, 'extents' | 'check'>
  /** Called for all that was noticed, or for none: a claim that was rejected may be made again. */
  readonly noticed: (change: PositionChange) => void
  readonly commit: (positions: readonly Position[]) => Promise<void>
  /** What this member has claimed so far. */
  readonly read: TopicsRead
}

/**
 * Says where a group resumes if Kafka keeps its offsets: at its committed offset if the log still
 * has what it had read, else at the earliest record. Partitions that Kafka does not have are left
 * out. A position that differs from the committed one is committed before anything is handled, so
 * that the change is not reported again, and lag tools know the position.
 * @param states the topics as they are
 */
export async function claimCommitted(
  { admin, group, logs, noticed, commit, read }: ClaimCommittedOptions,
  partitions: readonly TopicPartition[],
  states: ReadonlyMap<Topic, TopicState>,
): Promise<readonly Position[]> {
  const names = [...new Set(partitions.map(({ topic }) => topic))].filter((topic) => states.has(topic))
  const committed = new Map<Topic, ReadonlyMap<number, CommittedOffset>>()
  const earliest = new Map<string, bigint>()
  for (const topic of names) {
    committed.set(topic, await committedOffsets(admin, group, topic))
    for (const extent of await logs.extents(topic)) earliest.set(`${topic}/${extent.partition}`, extent.earliest)
  }
  const changes: PositionChange[] = []
  const positions = partitions.flatMap(({ topic, partition }): Position[] => {
    const first = earliest.get(`${topic}/${partition}`)
    if (first === undefined) return []
    const known = committed.get(topic)?.get(partition)
    const id = states.get(topic)?.id
    const readOf = known === undefined ? read.idOf({ topic, partition }) : known.topicId
    const recreated = readOf !== undefined && readOf !== id
    if (recreated) changes.push({ topic, partition, tag: 'recreated', from: known?.nextOffset ?? 0n, to: first })
    if (known === undefined || recreated) return [{ topic, partition, nextOffset: first, leaderEpoch: -1 }]
    return [{ topic, partition, nextOffset: known.nextOffset, leaderEpoch: known.leaderEpoch }]
  })
  const checked = await logs.check(positions)
  changes.push(...checked.flatMap(({ change }) => change ?? []))
  const places = new Set(changes.map(({ topic, partition }) => `${topic}/${partition}`))
  const now = checked.map(({ position }) => position)
  const changed = now.filter(({ topic, partition }) => places.has(`${topic}/${partition}`))
  if (changed.length > 0) await commit(changed)
  read.claimed(now, states)
  for (const change of changes) noticed(change)
  return now
}
