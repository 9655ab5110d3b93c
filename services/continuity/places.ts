import type { Claim, ConsumedBatch, KafkaLogs, TopicPartition } from '../../connectors/contract.ts'
import type { KafkaRecord, Topic } from '../../processors/contract.ts'
import { topics } from '../../processors/topics.ts'

/** A partition as continuity has it. */
export interface Place extends TopicPartition {
  readonly epoch: bigint
  /** Leader epoch of the last batch that was taken or held. */
  leaderEpoch: number
  /** Position up to which its records are in the database. */
  written: bigint
  /** Position up to which they are in the ledger. */
  position: bigint
  /**
   * Records below this offset were there before the ledger was begun, and earlier readings had been
   * deleted. Null if none had been deleted.
   */
  readonly truncatedUntil: bigint | null
  /**
   * Readings that the store has not committed yet, in order. The partition is paused while there
   * are any.
   */
  readonly held: ConsumedBatch[]
  /** Index of the first record of held[0] that is not taken. */
  at: number
  /** The latest leader whose log is known to contain held[0]. -1 if Kafka was not asked. */
  heldUnder: number
  taking: boolean
}

export interface ClaimOptions {
  /** All topics that the process reads. */
  readonly reads: readonly Topic[]
  /** Claims partitions. Returns where continuity resumes each. */
  readonly claim: (partitions: readonly TopicPartition[]) => Promise<readonly Claim[]>
  readonly logs: KafkaLogs
}

export interface ClaimedPlaces {
  readonly claims: readonly Claim[]
  readonly places: readonly Place[]
  /** Kafka's ID of the topic of readings. */
  readonly readingsId: string
  /**
   * Whether all topics have the same number of partitions. Then a device has the same partition
   * number in all of them.
   */
  readonly paired: boolean
}

/** Claims partitions of several topics. */
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
 * Index of the first record, from an index on, at an offset or after it. The number of records if
 * there is none.
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
