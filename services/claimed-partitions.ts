import type { Clock } from '../connectors/clock.ts'
import { type Claim, isTransient, type Log, type Position, type TopicPartition } from '../connectors/contract.ts'
import type { ConsumerControls } from '../connectors/kafka/consumer.ts'
import { retryWhile } from '../connectors/retry.ts'
import type { KafkaOffsets } from './kafka-offsets.ts'

/** Figures for metrics. */
export interface ClaimCounters {
  /** Claims, commits and queries that failed and were repeated. */
  retries: number
  /** Commits refused because another owner had a partition. */
  fenced: number
}

export interface ClaimedPartitionsOptions {
  readonly consumer: Pick<ConsumerControls, 'reclaim'>
  /** Called with the positions of partitions, after a claim and after a commit. For lag tools. */
  readonly offsets: Pick<KafkaOffsets, 'tell'>
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
  readonly counters: ClaimCounters
  /** Health: null while all is well, else what is wrong. */
  readonly problem: (what: string | null) => void
  /** Drops what was read and is not being committed. It will be read again. */
  readonly givenUp: () => void
}

/** The result of a claim: where partitions resume, and what the task keeps of each. */
export interface ClaimResult<Place extends TopicPartition> {
  readonly claims: readonly Claim[]
  readonly places: readonly Place[]
}

/** No generation. Nothing that was read may be committed. */
const NONE = -1

/**
 * The partitions that a task has claimed in the database that keeps its offsets, until they are
 * taken away or another owner is found. All work for them names the generation under which it
 * began. Work of an earlier generation is void.
 */
export class ClaimedPartitions<Place extends TopicPartition> {
  private readonly options: ClaimedPartitionsOptions
  private current = NONE
  private places = new Map<string, Place>()

  constructor(options: ClaimedPartitionsOptions) {
    this.options = options
  }

  get generation(): number {
    return this.current
  }

  isCurrent(generation: number): boolean {
    return generation === this.current && generation !== NONE
  }

  get({ topic, partition }: TopicPartition): Place | undefined {
    return this.places.get(`${topic}/${partition}`)
  }

  all(): Iterable<Place> {
    return this.places.values()
  }

  /**
   * Claims partitions, however long it takes. Returns none if they are assigned anew meanwhile.
   * What was held before is given up first.
   */
  async claim(generation: number, take: () => Promise<ClaimResult<Place>>): Promise<readonly Claim[]> {
    this.giveUp(generation)
    const taken = await this.patiently('claiming partitions', generation, take)
    if (taken === undefined) return []
    this.places = new Map(taken.places.map((place) => [`${place.topic}/${place.partition}`, place]))
    this.options.offsets.tell(taken.claims)
    return taken.claims
  }

  /**
   * Repeats work with the database until it succeeds. Undefined if the partitions are no longer
   * those of the generation, even if the work was done.
   */
  async patiently<Result>(doing: string, generation: number, work: () => Promise<Result>): Promise<Result | undefined> {
    const { clock, signal, log, counters, problem } = this.options
    const attempt = async (): Promise<Result> => {
      const result = await work()
      problem(null)
      return result
    }
    const result = await retryWhile(() => this.isCurrent(generation), attempt, {
      clock,
      signal,
      failed({ cause, ...failure }) {
        counters.retries++
        problem(`${doing}: ${String(cause)}`)
        log[isTransient(cause) ? 'warn' : 'error'](`${doing} failed; trying again`, { ...failure, cause: String(cause) })
      },
    })
    return this.isCurrent(generation) ? result : undefined
  }

  /**
   * Offsets were committed to the database. Kafka is not told those of partitions that were taken
   * away.
   */
  committed(generation: number, positions: readonly Position[]): void {
    if (this.isCurrent(generation)) this.options.offsets.tell(positions)
  }

  /** A commit was refused and nothing was written. What was read must be read again. */
  fenced(generation: number, partitions: readonly TopicPartition[]): void {
    this.options.counters.fenced++
    this.options.log.warn('another owner has a partition; nothing was written', {
      partitions: partitions.map(({ topic, partition }) => `${topic}/${partition}`).join(' '),
    })
    if (this.isCurrent(generation)) this.startOver()
  }

  /** Gives everything up and has the partitions claimed anew. */
  startOver(): void {
    this.revoked()
    this.options.consumer.reclaim()
  }

  revoked(): void {
    this.giveUp(NONE)
  }

  private giveUp(next: number): void {
    this.current = next
    this.places = new Map()
    this.options.givenUp()
  }
}
