import type { TopicPartition } from '../../connectors/contract.ts'

/** A partition as the store has claimed it. */
export interface StorePlace extends TopicPartition {
  readonly epoch: bigint
  /** Position up to which its records are in a row batch. */
  position: bigint
  /**
   * Leader epoch of the last batch. The batches before it are in the log of this epoch too;
   * otherwise the partition would have been claimed anew.
   */
  leaderEpoch: number
}
