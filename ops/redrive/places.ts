import type { Claim, Log, TopicPartition } from '../../connectors/contract.ts'
import type { Topic } from '../../processors/contract.ts'
import { throughOutages } from '../../services/through-outages.ts'

/** How far a run has come with a partition of dead letters. */
export interface RedrivePlace {
  readonly epoch: bigint
  position: bigint
}

export interface RedrivePlacesOptions {
  /** Raises the epoch of a partition for the run's own consumer. */
  readonly claim: (partitions: readonly TopicPartition[]) => Promise<readonly Claim[]>
  readonly log: Log
  readonly signal: AbortSignal
}

/** Claims each partition of dead letters when it is first needed; waits through outages. */
export function createRedrivePlaces(options: RedrivePlacesOptions): (topic: Topic, partition: number) => Promise<RedrivePlace> {
  const places = new Map<number, RedrivePlace>()
  return async (topic, partition) => {
    const known = places.get(partition)
    if (known !== undefined) return known
    const [claim] = await throughOutages('claiming the partition of dead letters', () => options.claim([{ topic, partition }]), options)
    if (claim === undefined) throw new RangeError(`claiming ${topic}/${partition}: nothing was claimed`)
    const place = { epoch: claim.epoch, position: claim.nextOffset ?? 0n }
    places.set(partition, place)
    return place
  }
}
