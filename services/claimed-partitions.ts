import type { Clock } from '../connectors/clock.ts'
import { type Claim, type ClaimedPosition, isTransient, type Log, type Position, type TopicPartition } from '../connectors/contract.ts'
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
  /** The partitions of which the database has lost these positions. */
  readonly lost: (positions: readonly ClaimedPosition[]) => Promise<readonly TopicPartition[]>
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

/**
 * How often the database is asked for what was committed. A commit finds out by itself that those
 * before it are gone, but perhaps none follows.
 */
const LOOK_MS = 5_000

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
  /** Up to where each is committed. */
  private positions = new Map<string, ClaimedPosition>()
  /** The last look failed. */
  private blind = false

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
    return this.places.get(key({ topic, partition }))
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
    this.places = new Map(taken.places.map((place) => [key(place), place]))
    this.positions = new Map(taken.claims.map((claim) => [key(claim), claim]))
    this.options.offsets.tell(taken.claims)
    if (taken.claims.length > 0) this.lookLater(generation)
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
    if (!this.isCurrent(generation)) return
    for (const position of positions) {
      const { topic, partition, nextOffset } = position
      const { epoch } = this.positions.get(key(position)) ?? {}
      if (epoch !== undefined) this.positions.set(key(position), { topic, partition, nextOffset, epoch })
    }
    this.options.offsets.tell(positions)
  }

  /** A commit was refused and nothing was written. What was read must be read again. */
  fenced(generation: number, partitions: readonly TopicPartition[]): void {
    this.options.counters.fenced++
    this.options.log.warn('another owner has a partition; nothing was written', { partitions: partitions.map(key).join(' ') })
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

  private lookLater(generation: number): void {
    this.options.clock.after(LOOK_MS, () => {
      if (this.isCurrent(generation) && !this.options.signal.aborted) void this.look(generation)
    })
  }

  /** Has the partitions claimed anew if the database has lost what was committed of one. */
  private async look(generation: number): Promise<void> {
    const { lost, log, signal, problem } = this.options
    try {
      const partitions = await lost([...this.positions.values()])
      if (this.blind) problem(null)
      this.blind = false
      if (!this.isCurrent(generation)) return
      if (partitions.length > 0) {
        log.warn('the database has lost what was committed; claiming the partitions anew', { partitions: partitions.map(key).join(' ') })
        return this.startOver()
      }
    } catch (cause) {
      if (signal.aborted) return
      if (!this.blind) log.warn('looking for what was committed failed; trying again', { cause: String(cause) })
      this.blind = true
      problem(`looking for what was committed: ${String(cause)}`)
    }
    this.lookLater(generation)
  }

  private giveUp(next: number): void {
    this.current = next
    this.places = new Map()
    this.positions = new Map()
    this.blind = false
    this.options.givenUp()
  }
}

function key({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}
