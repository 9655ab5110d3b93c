import type { ConsumedBatch, TopicPartition } from '../../connectors/contract.ts'
import type { Extent } from '../../connectors/kafka/scan.ts'
import type { ContinuityStore } from '../../connectors/postgres/continuity-store.ts'
import type { ConsumerName, KafkaRecord, Topic } from '../../processors/contract.ts'
import { topics } from '../../processors/topics.ts'

/** A partition as the process has it. */
export interface Place extends TopicPartition {
  readonly epoch: bigint
  /** Up to which its records are in the database. */
  written: bigint
  /** Up to which they are in the ledger. */
  position: bigint
  /** Records below were there before the ledger was begun, and earlier readings had been deleted; null where none had. */
  readonly truncatedUntil: bigint | null
  /** Readings that the store has not committed yet, in order: the partition is paused while there are any. */
  readonly held: ConsumedBatch[]
  /** Index of the first record of held[0] that is not taken. */
  at: number
  taking: boolean
}

export interface ClaimOptions {
  readonly consumer: ConsumerName
  readonly store: ContinuityStore
  readonly topicId: (topic: Topic) => Promise<string>
  /** Where each partition of a topic begins and ends now. */
  readonly extents: (topic: Topic) => Promise<readonly Extent[]>
}

export interface ClaimedPlaces {
  readonly places: readonly Place[]
  /** Kafka's ID of each topic. */
  readonly ids: ReadonlyMap<Topic, string>
}

/** Takes partitions of several topics: each where the database says, or from its earliest record. */
export async function claimPlaces(
  { consumer, store, topicId, extents }: ClaimOptions,
  partitions: readonly TopicPartition[],
): Promise<ClaimedPlaces> {
  const ids = new Map<Topic, string>()
  const ends = new Map<string, Extent>()
  for (const topic of new Set([topics.readings, ...partitions.map((each) => each.topic)])) {
    ids.set(topic, await topicId(topic))
    for (const extent of await extents(topic)) ends.set(placeKey(topic, extent.partition), extent)
  }
  const places: Place[] = []
  for (const [topic, id] of ids) {
    const own = partitions.filter((each) => each.topic === topic)
    if (own.length === 0) continue
    for (const { partition, epoch, nextOffset } of await store.claim(consumer, id, own)) {
      const extent = ends.get(placeKey(topic, partition))
      const start = nextOffset ?? extent?.earliest ?? 0n
      const truncated = nextOffset === null && (ends.get(placeKey(topics.readings, partition))?.earliest ?? 0n) > 0n
      const truncatedUntil = truncated ? (extent?.end ?? null) : null
      places.push({ topic, partition, epoch, written: start, position: start, truncatedUntil, held: [], at: 0, taking: false })
    }
  }
  return { places, ids }
}

export function placeKey(topic: string, partition: number): string {
  return `${topic}/${partition}`
}

/** Index of the first record from an index on that is at an offset or after it; the number of records where there is none. */
export function firstFrom(records: readonly KafkaRecord[], from: number, offset: bigint): number {
  let [low, high] = [from, records.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((records[middle] as KafkaRecord).offset < offset) low = middle + 1
    else high = middle
  }
  return low
}
