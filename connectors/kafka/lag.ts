import type { Extent } from '../contract.ts'

/** How far a consumer has come with a partition, as it was written down. */
export interface KnownOffset {
  readonly nextOffset: bigint
  /** ID of its topic; undefined if that was not written down. */
  readonly topicId: string | undefined
}

/** How far a consumer is behind on a partition. */
export interface Lag {
  /** Null if it has read nothing of this topic. */
  readonly committed: bigint | null
  readonly end: bigint
  /**
   * Records between the two. Null if Kafka's log ends before the committed offset: then nobody
   * knows how many records are new until the consumer has looked.
   */
  readonly lag: bigint | null
}

/**
 * If nothing was committed, the lag counts from the earliest record on. So it does if the commit
 * was to another topic of the same name, or if retention has deleted its records since.
 * @param topicId today's; undefined if it is not known
 */
export function lagOf(known: KnownOffset | undefined, { earliest, end }: Extent, topicId?: string): Lag {
  const another = topicId !== undefined && known?.topicId !== undefined && known.topicId !== topicId
  const committed = known === undefined || another ? null : known.nextOffset
  if (committed !== null && committed > end) return { committed, end, lag: null }
  return { committed, end, lag: end - (committed === null || committed < earliest ? earliest : committed) }
}
