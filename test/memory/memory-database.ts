import {
  type Claim,
  ConnectorError,
  type FirstPosition,
  type OffsetStore,
  type Position,
  type TopicPartition,
} from '../../connectors/contract.ts'
import { type CountedMove, lostPositions, refusal, type StoredPosition } from '../../connectors/postgres/offsets.ts'
import type { ConsumerName, Topic } from '../../processors/contract.ts'

/** What one partition's offsets are. */
export interface OffsetsRow {
  readonly partition: number
  readonly next_offset: bigint
  readonly stored: bigint
  readonly repeated: bigint
  readonly dead: bigint
}

type Row = { -readonly [Key in keyof (OffsetsRow & TopicPartition)]: (OffsetsRow & TopicPartition)[Key] } & {
  consumer: ConsumerName
  topicId: string
  leaderEpoch: number
  epoch: bigint
}

/** When the connection is lost: with COMMIT, or with the answer to it. */
export type Cut = 'before-sending' | 'after-answer'

/**
 * In the place of PostgreSQL in unit tests: offsets by compare-and-set, and transactions whose
 * COMMIT can get lost. It passes the conformance suites that PostgreSQL passes.
 */
export class MemoryDatabase {
  /** While true, it cannot be reached. */
  away = false
  private readonly rows: Map<string, Row>
  private held: Promise<void> | undefined
  private next: { readonly when: Cut; readonly then: 'down' | undefined } | undefined

  constructor(rows: Map<string, Row> = new Map()) {
    this.rows = rows
  }

  /** It can be reached, and no connection is lost from now on. */
  up(): void {
    this.away = false
    this.next = undefined
  }

  /** The same database by another connection. */
  again(): MemoryDatabase {
    return new MemoryDatabase(this.rows)
  }

  /** The next COMMIT loses its connection, and the database is away after that or is not. */
  cutNext(when: Cut, then?: 'down'): void {
    this.next = { when, then }
  }

  /** Whoever asks from now on gets no answer before the returned function is called. */
  hold(): () => void {
    let release = (): void => undefined
    this.held = new Promise((resolve) => {
      release = () => {
        this.held = undefined
        resolve()
      }
    })
    return release
  }

  /** Whoever asks, waits for an answer. */
  async reach(): Promise<void> {
    await this.held
    if (this.away) throw outage()
  }

  /** COMMIT: `apply` is what it does. */
  async commit(apply: () => void): Promise<void> {
    await this.reach()
    const cut = this.next
    this.next = undefined
    if (cut?.when !== 'before-sending') apply()
    if (cut === undefined) return
    this.away = cut.then === 'down'
    throw outage()
  }

  offsetStore(): OffsetStore {
    return {
      claim: (consumer, topicId, partitions) => this.claim(consumer, topicId, partitions),
      reposition: (consumer, positions) => this.reposition(consumer, positions),
      lost: async (consumer, positions) => {
        await this.reach()
        return lostPositions(positions, this.offsetRows(consumer, positions))
      },
    }
  }

  /** Why moves are refused; undefined if they are not. */
  refusal(consumer: ConsumerName, moves: readonly CountedMove[]): ReturnType<typeof refusal> | undefined {
    if (moves.length === 0) throw new RangeError('moving offsets: expected at least one partition')
    for (const { to, from } of moves) if (to <= from) throw new RangeError(`moving offsets: expected to go on from ${from}, not to ${to}`)
    const fits = moves.every((move) => {
      const row = this.row(consumer, move)
      return row?.epoch === move.epoch && row.next_offset === move.from
    })
    return fits ? undefined : refusal(moves, this.offsetRows(consumer, moves))
  }

  private offsetRows(consumer: ConsumerName, partitions: readonly TopicPartition[]) {
    return partitions.flatMap((each) => this.row(consumer, each) ?? []).map((row) => ({ ...row, nextOffset: row.next_offset }))
  }

  /** Moves offsets that are not refused. */
  move(consumer: ConsumerName, moves: readonly CountedMove[]): void {
    for (const move of moves) {
      const row = this.row(consumer, move)
      if (row === undefined) throw new RangeError(`${move.topic}/${move.partition} was not claimed`)
      row.next_offset = move.to
      row.leaderEpoch = move.leaderEpoch
      row.stored += BigInt(move.stored)
      row.dead += BigInt(move.dead)
    }
  }

  row(consumer: ConsumerName, { topic, partition }: TopicPartition): Row | undefined {
    return this.rows.get(`${consumer} ${topic}/${partition}`)
  }

  offsets(): readonly OffsetsRow[] {
    return [...this.rows.values()]
      .sort((a, b) => a.partition - b.partition)
      .map(({ partition, next_offset, stored, repeated, dead }) => ({ partition, next_offset, stored, repeated, dead }))
  }

  async positions(consumer: ConsumerName, topic: Topic): Promise<readonly StoredPosition[]> {
    await this.reach()
    return [...this.rows.values()]
      .filter((row) => row.consumer === consumer && row.topic === topic)
      .map(({ partition, topicId, next_offset: nextOffset, leaderEpoch }) => ({ topic, partition, topicId, nextOffset, leaderEpoch }))
  }

  private async claim(consumer: ConsumerName, topicId: string, partitions: readonly FirstPosition[]): Promise<readonly Claim[]> {
    await this.reach()
    const claims: Claim[] = []
    await this.commit(() => {
      for (const { topic, partition, earliest } of partitions) {
        const before = this.row(consumer, { topic, partition })
        const origin = before === undefined ? 'first' : before.topicId === topicId ? 'kept' : 'recreated'
        const kept = origin === 'kept' ? before : undefined
        const row: Row = {
          consumer,
          topic,
          partition,
          topicId,
          next_offset: kept?.next_offset ?? earliest,
          leaderEpoch: kept?.leaderEpoch ?? -1,
          epoch: (before?.epoch ?? 0n) + 1n,
          stored: before?.stored ?? 0n,
          repeated: before?.repeated ?? 0n,
          dead: before?.dead ?? 0n,
        }
        this.rows.set(`${consumer} ${topic}/${partition}`, row)
        const { next_offset: nextOffset, leaderEpoch, epoch } = row
        claims.push({ topic, partition, nextOffset, leaderEpoch, epoch, origin })
      }
    })
    return claims
  }

  private async reposition(consumer: ConsumerName, positions: readonly (Position & { readonly epoch: bigint })[]): Promise<boolean> {
    await this.reach()
    if (positions.some((position) => this.row(consumer, position)?.epoch !== position.epoch)) return false
    await this.commit(() => {
      for (const position of positions) {
        const row = this.row(consumer, position)
        if (row === undefined) continue
        row.next_offset = position.nextOffset
        row.leaderEpoch = position.leaderEpoch
      }
    })
    return true
  }
}

function outage(): ConnectorError {
  return new ConnectorError('08006', true, 'the connection was lost')
}
