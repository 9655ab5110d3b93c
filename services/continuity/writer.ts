import { type ContinuityStore, ledgerBatch } from '../../connectors/postgres/continuity-store.ts'
import type { ConsumerName } from '../../processors/contract.ts'
import type { ClaimedPartitions } from '../claimed-partitions.ts'
import type { StageClock } from '../stage-clock.ts'
import type { ContinuityCounters } from './counters.ts'
import type { Place } from './places.ts'
import { type ContinuityState, readingsTaken, STORE_DEAD } from './state.ts'

export interface LedgerWriterOptions {
  readonly name: ConsumerName
  readonly store: Pick<ContinuityStore, 'commit'>
  readonly claimed: ClaimedPartitions<Place>
  readonly state: ContinuityState
  readonly counters: ContinuityCounters
  readonly stages: StageClock
}

/**
 * A boot is forgotten after so many writes in which nothing of it came. It is loaded again if
 * something comes.
 */
export const IDLE_ROUNDS = 60

/** Writes the changes of the ledger, in one transaction with the offsets of all partitions. */
export class LedgerWriter {
  private readonly options: LedgerWriterOptions
  private writing: Promise<void> | undefined
  /** Queries for rows under way. */
  private reading = 0

  constructor(options: LedgerWriterOptions) {
    this.options = options
  }

  /** Writes what has changed since the last time, or waits for the write under way. */
  write(): Promise<void> {
    this.writing ??= this.writeChanges().finally(() => {
      this.writing = undefined
    })
    return this.writing
  }

  /** Writes everything that has changed until now. */
  async finish(): Promise<void> {
    await this.writing
    await this.write()
  }

  /**
   * Does work that reads rows. It begins while nothing is being written, and no row is folded
   * before it is done. Undefined if the partitions were taken away.
   */
  async whileUnchanged<Result>(generation: number, work: () => Promise<Result>): Promise<Result | undefined> {
    while (this.writing !== undefined) await this.writing
    if (!this.options.claimed.isCurrent(generation)) return undefined
    this.reading++
    try {
      return await work()
    } finally {
      this.reading--
    }
  }

  private async writeChanges(): Promise<void> {
    const { name, store, claimed, state, counters, stages } = this.options
    const { generation } = claimed
    const moved = [...claimed.all()].flatMap((place) => {
      const to = this.writable(place)
      return to > place.written ? [{ place, to }] : []
    })
    if (moved.length === 0) return
    const moves = moved.map(({ place: { topic, partition, epoch, leaderEpoch, written }, to }) => ({
      topic,
      partition,
      epoch,
      leaderEpoch,
      from: written,
      to,
    }))
    const moving = new Set(moves.map(({ partition }) => partition))
    // A row that is being read must not be folded.
    const batch = ledgerBatch(
      state.ledger.changes((partition) => this.reading === 0 && moving.has(partition)),
      moves,
    )
    const committed = await stages.during('database', () =>
      claimed.patiently('writing frame numbers', generation, () => store.commit(name, batch)),
    )
    if (committed === undefined) return
    if (!committed) return claimed.fenced(generation, moves)
    counters.commits++
    for (const { place, to } of moved) place.written = to
    state.ledger.forget(IDLE_ROUNDS)
    claimed.committed(
      generation,
      moves.map(({ topic, partition, to, leaderEpoch }) => ({ topic, partition, nextOffset: to, leaderEpoch })),
    )
  }

  /** Position below which a partition's records need not be read again. */
  private writable({ topic, partition, position }: Place): bigint {
    const { claimed, state } = this.options
    if (topic !== STORE_DEAD) return position
    return state.intake.firstWaiting(partition, (source) => readingsTaken(claimed, source) ?? 0n) ?? position
  }
}
