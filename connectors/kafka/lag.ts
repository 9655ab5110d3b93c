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
  /**
   * Why the next record is another one than the first after the commit: what was there is gone.
   * `deleted` has the number of offsets that it had not read.
   */
  readonly gone: Gone
}

export type Gone =
  | { readonly tag: 'nothing' }
  | { readonly tag: 'deleted'; readonly offsets: bigint }
  /** The topic is another one of the same name. */
  | { readonly tag: 'recreated' }
  /** The log ends before the commit. */
  | { readonly tag: 'cut' }

const NOTHING: Gone = { tag: 'nothing' }

/**
 * If nothing was committed, the lag counts from the earliest record on. So it does if the commit
 * was to another topic of the same name, or if retention has deleted its records since.
 * @param topicId today's; undefined if it is not known
 */
export function lagOf(known: KnownOffset | undefined, { earliest, end }: Extent, topicId?: string): Lag {
  const another = topicId !== undefined && known?.topicId !== undefined && known.topicId !== topicId
  if (another) return { committed: null, end, lag: end - earliest, gone: { tag: 'recreated' } }
  if (known === undefined) return { committed: null, end, lag: end - earliest, gone: NOTHING }
  const committed = known.nextOffset
  if (committed > end) return { committed, end, lag: null, gone: { tag: 'cut' } }
  if (committed < earliest) return { committed, end, lag: end - earliest, gone: { tag: 'deleted', offsets: earliest - committed } }
  return { committed, end, lag: end - committed, gone: NOTHING }
}
