import type { Claim, FirstPosition, Log } from '../../connectors/contract.ts'
import type { Topic } from '../../processors/contract.ts'
import { throughOutages } from '../../services/through-outages.ts'

/** How far a run has come with a partition of dead letters. */
export interface RedrivePlace {
  readonly epoch: bigint
  position: bigint
}

export interface RedrivePlacesOptions {
  /** Raises the epoch of a partition for the run's own consumer. */
  readonly claim: (partitions: readonly FirstPosition[]) => Promise<readonly Claim[]>
  readonly log: Log
  readonly signal: AbortSignal
}

/**
 * Claims each partition of dead letters when it is first needed. It begins at the dead letter that
 * is taken then. Waits through outages.
 */
export function createRedrivePlaces(
  options: RedrivePlacesOptions,
): (deadLetter: { readonly topic: Topic; readonly partition: number; readonly offset: bigint }) => Promise<RedrivePlace> {
  const places = new Map<number, RedrivePlace>()
  return async ({ topic, partition, offset }) => {
    const known = places.get(partition)
    if (known !== undefined) return known
    const first = [{ topic, partition, earliest: offset }]
    const [claim] = await throughOutages('claiming the partition of dead letters', () => options.claim(first), options)
    if (claim === undefined) throw new RangeError(`claiming ${topic}/${partition}: nothing was claimed`)
    const place = { epoch: claim.epoch, position: claim.nextOffset }
    places.set(partition, place)
    return place
  }
}
