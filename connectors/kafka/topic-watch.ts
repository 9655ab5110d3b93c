import type { Topic } from '../../processors/contract.ts'
import type { KafkaLogs, Log, TopicState } from '../contract.ts'
import type { AssignedPartitions } from './assigned-partitions.ts'

/**
 * How often topics are looked at: whether one was recreated, or got partitions. A new topic may
 * have passed the position in the old one before anything is fetched, and its first leader's epoch
 * is that of the old one's: nothing else would tell.
 */
export const WATCH_MS = 2_000

export interface TopicWatchOptions {
  readonly group: string
  readonly topics: readonly Topic[]
  readonly logs: KafkaLogs
  readonly log: Log
  readonly assigned: AssignedPartitions
  readonly reclaim: () => void
  /**
   * Health: null while all topics are there and their partitions are this group's, else what
   * stands.
   */
  readonly problem?: (what: string | null) => void
}

/** Looks again and again whether the topics still are those that were claimed. */
export class TopicWatch implements Disposable {
  /** The topics as they were when the partitions were claimed. */
  private states: ReadonlyMap<Topic, TopicState> = new Map()
  private looking = false
  private readonly timer: NodeJS.Timeout
  private readonly options: TopicWatchOptions

  constructor(options: TopicWatchOptions) {
    this.options = options
    this.timer = setInterval(() => this.lookAgain(), WATCH_MS)
    this.timer.unref()
  }

  /** Notes the topics for which partitions are claimed. Returns what they were before. */
  claimed(states: ReadonlyMap<Topic, TopicState>): ReadonlyMap<Topic, TopicState> {
    const before = this.states
    this.states = states
    return before
  }

  idOf(topic: Topic): string | undefined {
    return this.states.get(topic)?.id
  }

  [Symbol.dispose](): void {
    clearInterval(this.timer)
  }

  private lookAgain(): void {
    if (this.looking) return
    this.looking = true
    const { log, group } = this.options
    this.look()
      // Kafka's silence is noticed elsewhere, and the next look is soon.
      .catch((cause: unknown) => log.info('the topics could not be looked at', { group, cause: String(cause) }))
      .finally(() => {
        this.looking = false
      })
  }

  private async look(): Promise<void> {
    const { topics, logs, assigned, reclaim, problem } = this.options
    const [generation, known] = [assigned.generation, this.states]
    if (known.size === 0) return
    const now = await logs.topics(topics)
    if (!assigned.isCurrent(generation) || known !== this.states) return
    const wrong: string[] = []
    for (const topic of topics) {
      const [before, after] = [known.get(topic), now.get(topic)]
      if (after === undefined) wrong.push(`Kafka has no topic ${topic}`)
      else if (before?.id !== after.id) reclaim()
      else if (after.partitions !== before.partitions) {
        wrong.push(`${topic} has ${after.partitions} partitions, and had ${before.partitions} when they were assigned`)
        // Assigned, and not claimed because the broker that was asked had not heard of them.
        if (assigned.partitions.some((each) => each.topic === topic && each.partition >= before.partitions)) reclaim()
      }
    }
    problem?.(wrong.length === 0 ? null : wrong.join('; '))
  }
}
