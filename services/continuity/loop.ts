import type { Clock } from '../../connectors/clock.ts'
import type { ConsumedBatch, Log, Position, TopicPartition } from '../../connectors/contract.ts'
import type { ConsumerControls } from '../../connectors/kafka/consumer.ts'
import type { ContinuityStore } from '../../connectors/postgres/continuity-store.ts'
import type { OpenDeadLetter } from '../../processors/continuity/intake.ts'
import type { ConsumerName } from '../../processors/contract.ts'
import { topics } from '../../processors/topics.ts'
import { ClaimedPartitions, type ClaimedPartitionsOptions } from '../claimed-partitions.ts'
import type { ConsumerTask } from '../consumer-task.ts'
import type { KafkaOffsets } from '../kafka-offsets.ts'
import type { StageClock } from '../stage-clock.ts'
import { DeadLetterTaker } from './dead-letters.ts'
import { BootLoader } from './loader.ts'
import { type ClaimedPlaces, type ClaimOptions, claimPlaces, type Place } from './places.ts'
import { ContinuityState, STORE_DEAD, type StateOptions } from './state.ts'
import { StoreFollower } from './store-follower.ts'
import { LedgerWriter } from './writer.ts'

export interface ContinuityLoopOptions extends ClaimOptions, StateOptions {
  readonly name: ConsumerName
  readonly store: Pick<ContinuityStore, 'commit' | 'load' | 'lost' | 'positions'>
  /** Makes the schemas of these dead letters known. */
  readonly prepare: (deadLetters: readonly OpenDeadLetter[]) => Promise<void>
  /**
   * Shortest time between two writes of changes. It is longer if writing takes more than a
   * twentieth of the time.
   */
  readonly flushMs: number
  /**
   * How often the store's offsets are read. It is up to four times as often while the store is
   * behind what was fetched.
   */
  readonly pollMs: number
  readonly consumer: ConsumerControls
  readonly stages: StageClock
  readonly offsets: Pick<KafkaOffsets, 'tell'>
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
  /** Health: null while all is well, else what is wrong. */
  readonly problem: (what: string | null) => void
}

const WRITING_SHARE = 20
const LONGEST_PAUSE_MS = 30_000

/**
 * Follows the store through the readings, one step behind: a frame is stored once the store has
 * committed past its record. Every few seconds the changed rows are written, in one transaction
 * with the offsets of all partitions.
 */
export class ContinuityLoop implements ConsumerTask {
  private readonly options: ContinuityLoopOptions
  private readonly claimed: ClaimedPartitions<Place>
  private readonly state: ContinuityState
  private readonly writer: LedgerWriter
  private readonly follower: StoreFollower
  private readonly deadLetters: DeadLetterTaker
  private ended = false

  constructor(options: ContinuityLoopOptions) {
    this.options = options
    const { pollMs, flushMs } = options
    const state = new ContinuityState(options)
    const lost: ClaimedPartitionsOptions['lost'] = (positions) => options.store.lost(options.name, positions)
    const claimed = new ClaimedPartitions<Place>({ ...options, lost, givenUp: () => state.forget() })
    const shared = { ...options, state, claimed }
    this.state = state
    this.claimed = claimed
    this.writer = new LedgerWriter(shared)
    const loader = new BootLoader({ ...shared, writer: this.writer })
    this.deadLetters = new DeadLetterTaker({ ...shared, loader })
    this.follower = new StoreFollower({ ...shared, loader, hurriedMs: pollMs / 4, failed: (cause) => this.failed(cause) })
    void this.every(
      () => pollMs,
      () => this.follower.poll(),
    )
    void this.every(
      (tookMs) => Math.max(flushMs, Math.min(WRITING_SHARE * tookMs, LONGEST_PAUSE_MS)),
      () => this.writer.write(),
    )
  }

  /** Boots in memory. */
  boots(): number {
    return this.state.ledger.size
  }

  async claim(partitions: readonly TopicPartition[], generation: number): Promise<readonly Position[]> {
    const { name, log } = this.options
    let taken: ClaimedPlaces | undefined
    const claims = await this.claimed.claim(generation, async () => {
      taken = await claimPlaces(this.options, partitions)
      return taken
    })
    if (taken === undefined || !this.claimed.isCurrent(generation)) return []
    this.state.readingsId = taken.readingsId
    this.state.paired = taken.paired
    if (!taken.paired) log.warn('the topics do not have as many partitions: one member does it all', { consumer: name })
    return claims
  }

  async handle(batch: ConsumedBatch, generation: number): Promise<void> {
    const place = this.claimed.get(batch)
    if (place === undefined || !this.claimed.isCurrent(generation)) return
    if (batch.topic === topics.readings) return this.follower.hold(place, batch, generation)
    if (!(await this.deadLetters.take(place, batch, generation)) || place.topic !== STORE_DEAD) return
    // Readings may have waited for these dead letters.
    const { paired } = this.state
    const waiting = [...this.claimed.all()].filter(({ partition, held }) => held.length > 0 && (!paired || partition === place.partition))
    for (const readings of waiting) await this.follower.take(readings, generation)
  }

  revoked(): void {
    this.claimed.revoked()
  }

  async drain(): Promise<void> {
    await this.writer.finish()
    this.ended = true
  }

  /** Calls again and again. The pause depends on how long the work took. */
  private async every(pauseMs: (tookMs: number) => number, work: () => Promise<void>): Promise<void> {
    const { clock, signal } = this.options
    while (!signal.aborted && !this.ended) {
      const started = clock.monotonicMs()
      await work().catch((cause: unknown) => this.failed(cause))
      await clock.delay(pauseMs(clock.monotonicMs() - started), signal).catch(() => undefined)
    }
  }

  private failed(cause: unknown): void {
    const { signal, problem, log } = this.options
    if (signal.aborted) return
    problem(`the telemetry database or Kafka: ${String(cause)}`)
    log.warn('following the store failed; trying again', { cause: String(cause) })
  }
}
