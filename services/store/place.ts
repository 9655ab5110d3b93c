import type { TopicPartition } from '../../connectors/contract.ts'

/** A partition as the store has claimed it. */
export interface StorePlace extends TopicPartition {
  readonly epoch: bigint
  /** Up to where its records are in a row batch. */
  position: bigint
  /**
   * Of the last batch: those before it were of this epoch's log too, or the partition would have
   * been claimed anew.
   */
  leaderEpoch: number
}
