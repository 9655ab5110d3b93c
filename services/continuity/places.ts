import type { Claim, ConsumedBatch, KafkaLogs, TopicPartition } from '../../connectors/contract.ts'
import type { KafkaRecord, Topic } from '../../processors/contract.ts'
import { topics } from '../../processors/topics.ts'

/** A partition as the process has it. */
export interface Place extends TopicPartition {
  readonly epoch: bigint
  /** Of the last batch that was taken, or held. */
  leaderEpoch: number
  /** Up to which its records are in the database. */
  written: bigint
  /** Up to which they are in the ledger. */
  position: bigint
  /**
   * Records below were there before the ledger was begun, and earlier readings had been deleted;
   * null if none had.
   */
  readonly truncatedUntil: bigint | null
  /**
   * Readings that the store has not committed yet, in order: the partition is paused while there
   * are any.
   */
  readonly held: ConsumedBatch[]
  /** Index of the first record of held[0] that is not taken. */
  at: number
  /**
   * The latest leader of which it is known that its log goes on from held[0]; -1 if none was
   * asked about.
   */
  heldUnder: number
  taking: boolean
}

export interface ClaimOptions {
  /** All topics that the process reads. */
  readonly reads: readonly Topic[]
  /** Takes partitions: where the process goes on with each. */
  readonly claim: (partitions: readonly TopicPartition[]) => Promise<readonly Claim[]>
  readonly logs: KafkaLogs
}

export interface ClaimedPlaces {
  readonly claims: readonly Claim[]
  readonly places: readonly Place[]
  /** Kafka's ID of the topic of readings. */
  readonly readingsId: string
  /**
   * Whether the topics have as many partitions: a device is then on the partition of one number in
   * all of them.
   */
  readonly paired: boolean
}

/** Takes partitions of several topics. */
export async function claimPlaces({ reads, claim, logs }: ClaimOptions, partitions: readonly TopicPartition[]): Promise<ClaimedPlaces> {
  const states = await logs.topics(reads)
  const claims = await claim(partitions)
  const earliest = new Map((await logs.extents(topics.readings)).map((extent) => [extent.partition, extent.earliest]))
  const places: Place[] = []
  for (const { topic, partition, epoch, nextOffset, leaderEpoch, origin } of claims) {
    const begun = origin !== 'kept' && (earliest.get(partition) ?? 0n) > 0n
    const extent = begun ? (await logs.extents(topic)).find((each) => each.partition === partition) : undefined
    const truncatedUntil = extent?.end ?? null
    places.push({
      topic,
      partition,
      epoch,
      leaderEpoch,
      written: nextOffset,
      position: nextOffset,
      truncatedUntil,
      held: [],
      at: 0,
      heldUnder: -1,
      taking: false,
    })
  }
  const counts = new Set([...states.values()].map((state) => state.partitions))
  return { claims, places, readingsId: states.get(topics.readings)?.id ?? '', paired: counts.size === 1 }
}

/**
 * Index of the first record from an index on that is at an offset or after it; the number of
 * records where there is none.
 */
export function firstFrom(records: readonly KafkaRecord[], from: number, offset: bigint): number {
  let [low, high] = [from, records.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((records[middle] as KafkaRecord).offset < offset) low = middle + 1
    else high = middle
  }
  return low
}
