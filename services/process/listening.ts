import type { KafkaLogs } from '../../connectors/contract.ts'
import type { Topic } from '../../processors/contract.ts'

/** Who must have handled all of a topic. */
export interface Reader {
  readonly topic: Topic
  /** Next offset of each partition. */
  readonly positions: () => Promise<ReadonlyMap<number, bigint>>
}

export interface ListeningOptions {
  readonly logs: Pick<KafkaLogs, 'extents'>
  /** The services between the bridge and the process. */
  readonly upstream: () => Promise<readonly Reader[]>
  /** The process itself. */
  readonly own: Reader
  /** The bridge writes to this topic every 10 s while it forwards what devices publish. */
  readonly pulse: Topic
  readonly monotonicMs: () => number
}

/** Who is further behind, or has no sign of the bridge for so long, is not listening. */
const MOST_MS = 90_000

/** Where topics ended, by reader. */
type Ends = readonly { readonly reader: Reader; readonly ends: ReadonlyMap<number, bigint> }[]

/** A round: when it began, and what is to be reached. */
interface Round {
  readonly atMs: number
  /** What the services before the process write is in its topic once they have reached this. */
  readonly upstream: Ends
  /** Known once they have. */
  own: Ends | undefined
}

/**
 * How far what the bridge received has reached the process. A round notes where the topics end that
 * the services before it read; once they are there, where its own topic ends; and once it is there,
 * all that the bridge received before the round has been handled.
 */
export class Listening {
  private readonly options: ListeningOptions
  private readonly beganMs: number
  private round: Round | undefined
  /** When the last round began that was reached. */
  private handledMs: number | undefined
  /** Where the pulse ended when it last changed. */
  private pulse: { readonly end: bigint; readonly atMs: number } | undefined

  constructor(options: ListeningOptions) {
    this.options = options
    this.beganMs = options.monotonicMs()
  }

  /**
   * Looks once.
   * @returns all that the bridge received until so many seconds ago has been handled. Infinity if
   *   that is long ago, or the bridge hears no device; undefined if it is not known yet
   */
  async look(): Promise<number | undefined> {
    await this.advance()
    const alive = await this.heartbeat()
    const nowMs = this.options.monotonicMs()
    if (nowMs - alive > MOST_MS) return Number.POSITIVE_INFINITY
    const behindMs = nowMs - (this.handledMs ?? this.beganMs)
    if (behindMs > MOST_MS) return Number.POSITIVE_INFINITY
    return this.handledMs === undefined ? undefined : behindMs / 1000
  }

  private async advance(): Promise<void> {
    const { upstream, own, monotonicMs } = this.options
    if (this.round === undefined) {
      const atMs = monotonicMs()
      const readers = await upstream()
      this.round = { atMs, upstream: await this.endsOf(readers), own: undefined }
    }
    const { round } = this
    if (round.own === undefined) {
      if (!(await this.isReached(round.upstream))) return
      round.own = await this.endsOf([own])
    }
    if (!(await this.isReached(round.own))) return
    this.handledMs = round.atMs
    this.round = undefined
  }

  /** When the bridge last gave a sign. */
  private async heartbeat(): Promise<number> {
    const { logs, pulse, monotonicMs } = this.options
    const end = (await logs.extents(pulse)).reduce((sum, each) => sum + each.end, 0n)
    if (this.pulse?.end !== end) this.pulse = { end, atMs: monotonicMs() }
    return this.pulse.atMs
  }

  private async endsOf(readers: readonly Reader[]): Promise<Ends> {
    return Promise.all(
      readers.map(async (reader) => {
        const extents = await this.options.logs.extents(reader.topic)
        // What has no record needs no position.
        const filled = extents.filter(({ earliest, end }) => end > earliest)
        return { reader, ends: new Map(filled.map(({ partition, end }) => [partition, end])) }
      }),
    )
  }

  private async isReached(wanted: Ends): Promise<boolean> {
    for (const { reader, ends } of wanted) {
      const positions = await reader.positions()
      for (const [partition, end] of ends) if ((positions.get(partition) ?? -1n) < end) return false
    }
    return true
  }
}
