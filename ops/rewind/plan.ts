import type { Extent } from '../../connectors/contract.ts'
import type { Topic } from '../../processors/contract.ts'

/** Where a consumer is to go on. */
export type RewindTarget =
  /** At the first record that was received at that time or later: milliseconds since 1970. */
  | { readonly tag: 'time'; readonly ms: number }
  | { readonly tag: 'offset'; readonly offset: bigint }
  /** At the first record that Kafka has. */
  | { readonly tag: 'beginning' }

/** What is known of a partition. */
export interface PartitionNow {
  readonly topic: Topic
  readonly extent: Extent
  /** First offset that the consumer has not done; undefined if it has read nothing of the topic. */
  readonly position: bigint | undefined
  /**
   * First offset of a record at the time that was asked for or later; undefined if no time was.
   */
  readonly atTime: bigint | undefined
}

/** What becomes of a partition. */
export type PartitionPlan = { readonly topic: Topic; readonly partition: number } & (
  | {
      readonly tag: 'moves'
      readonly from: bigint
      readonly to: bigint
      /** Whether Kafka has deleted records between what was asked for and `to`. */
      readonly cut: boolean
    }
  | { readonly tag: 'stays'; readonly why: string }
)

/**
 * Plans a rewind of one partition. It only goes back: what is ahead of the position is unread, and
 * leaving it out would be a loss.
 */
export function planPartition({ topic, extent, position, atTime }: PartitionNow, target: RewindTarget): PartitionPlan {
  const { partition, earliest, end } = extent
  const stays = (why: string): PartitionPlan => ({ topic, partition, tag: 'stays', why })
  if (position === undefined) return stays('nothing of it was read')
  if (position > end) return stays(`the log ends at ${end}, before the position ${position}: the consumer puts that right when it starts`)
  const asked = target.tag === 'time' ? (atTime ?? end) : target.tag === 'offset' ? target.offset : earliest
  const to = asked < earliest ? earliest : asked
  if (to >= position) return stays(to === position ? `it is at ${position} already` : `it is at ${position}, before ${to}`)
  // Kafka gives the first record that it has for a time before it, and does not say that there were
  // others.
  return {
    topic,
    partition,
    tag: 'moves',
    from: position,
    to,
    cut: asked < earliest || (target.tag === 'time' && to === earliest && earliest > 0n),
  }
}

/** Records that will be read again, at most: offsets of control records count too. */
export function recordsAgain(plans: readonly PartitionPlan[]): bigint {
  return plans.reduce((sum, plan) => sum + (plan.tag === 'moves' ? plan.from - plan.to : 0n), 0n)
}
