import type { OffsetStore } from '../../connectors/contract.ts'
import type { Topic } from '../../processors/contract.ts'
import { throughOutages } from '../../services/through-outages.ts'
import type { WayParts } from './way.ts'

/** How far a run has come with a partition of dead letters. */
export interface RedrivePlace {
  readonly epoch: bigint
  position: bigint
}

/**
 * Claims each partition of dead letters when it is first needed. It begins at the dead letter that
 * is taken then. Waits through outages.
 */
export function createRedrivePlaces(
  offsets: Pick<OffsetStore, 'claim'>,
  { consumer, topicId, log, signal }: WayParts,
): (deadLetter: { readonly topic: Topic; readonly partition: number; readonly offset: bigint }) => Promise<RedrivePlace> {
  const places = new Map<number, RedrivePlace>()
  return async ({ topic, partition, offset }) => {
    const known = places.get(partition)
    if (known !== undefined) return known
    const first = [{ topic, partition, earliest: offset }]
    const [claim] = await throughOutages('claiming the partition of dead letters', () => offsets.claim(consumer, topicId, first), {
      log,
      signal,
    })
    if (claim === undefined) throw new RangeError(`claiming ${topic}/${partition}: nothing was claimed`)
    const place = { epoch: claim.epoch, position: claim.nextOffset }
    places.set(partition, place)
    return place
  }
}
