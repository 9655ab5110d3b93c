import type { Topic } from '../../processors/contract.ts'
import type { KafkaLogs, Log, TopicState } from '../contract.ts'
import type { AssignedPartitions } from './assigned-partitions.ts'

/**
 * How often it checks whether a topic was recreated, or got partitions. Nothing else would notice a
 * recreated topic whose log is longer than the old position before anything is fetched: the epoch
 * of its first leader is the same as in the old topic.
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
   * Health: null while all topics exist and their partitions belong to this group, else what stands
   * still.
   */
  readonly problem?: (what: string | null) => void
}

/** Checks again and again whether the topics still are those whose partitions were claimed. */
export class TopicWatch implements Disposable {
  /** The topics as they were when the partitions were claimed; undefined before the first claim. */
  private states: ReadonlyMap<Topic, TopicState> | undefined
  private looking = false
  private readonly timer: NodeJS.Timeout
  private readonly options: TopicWatchOptions

  constructor(options: TopicWatchOptions) {
    this.options = options
    this.timer = setInterval(() => this.lookAgain(), WATCH_MS)
    this.timer.unref()
  }

  /** Partitions are claimed in the topics as they are now: any other is noticed from here on. */
  claiming(states: ReadonlyMap<Topic, TopicState>): void {
    this.states = states
  }

  idOf(topic: Topic): string | undefined {
    return this.states?.get(topic)?.id
  }

  [Symbol.dispose](): void {
    clearInterval(this.timer)
  }

  private lookAgain(): void {
    if (this.looking) return
    this.looking = true
    const { log, group } = this.options
    this.look()
      // An outage of Kafka is noticed elsewhere, and the next check is soon.
      .catch((cause: unknown) => log.info('the topics could not be looked at', { group, cause: String(cause) }))
      .finally(() => {
        this.looking = false
      })
  }

  private async look(): Promise<void> {
    const { topics, logs, assigned, reclaim, problem } = this.options
    const [generation, known] = [assigned.generation, this.states]
    if (known === undefined) return
    const now = await logs.topics(topics)
    if (!assigned.isCurrent(generation) || known !== this.states) return
    const wrong: string[] = []
    for (const topic of topics) {
      const [before, after] = [known.get(topic), now.get(topic)]
      if (after === undefined) wrong.push(`Kafka has no topic ${topic}`)
      else if (before?.id !== after.id) reclaim()
      else if (after.partitions !== before.partitions) {
        wrong.push(`${topic} has ${after.partitions} partitions, and had ${before.partitions} when they were assigned`)
        // These are assigned. They were not claimed because the broker that was asked had not heard
        // of them.
        if (assigned.partitions.some((each) => each.topic === topic && each.partition >= before.partitions)) reclaim()
      }
    }
    problem?.(wrong.length === 0 ? null : wrong.join('; '))
  }
}
