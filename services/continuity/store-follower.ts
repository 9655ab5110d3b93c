import type { Clock } from '../../connectors/clock.ts'
import type { ConsumedBatch, KafkaLogs, Log } from '../../connectors/contract.ts'
import type { ConsumerControls } from '../../connectors/kafka/consumer.ts'
import type { ContinuityStore } from '../../connectors/postgres/continuity-store.ts'
import type { KafkaRecord } from '../../processors/contract.ts'
import { store as declaredStore } from '../../processors/store/declaration.ts'
import { topics } from '../../processors/topics.ts'
import type { ClaimedPartitions } from '../claimed-partitions.ts'
import { MOST_AT_ONCE } from './dead-letters.ts'
import { type BootLoader, once } from './loader.ts'
import { firstFrom, type Place } from './places.ts'
import { type ContinuityState, STORE_DEAD } from './state.ts'

export interface StoreFollowerOptions {
  readonly store: Pick<ContinuityStore, 'positions'>
  readonly logs: KafkaLogs
  readonly consumer: Pick<ConsumerControls, 'pause' | 'resume'>
  readonly claimed: ClaimedPartitions<Place>
  readonly state: ContinuityState
  readonly loader: BootLoader
  /** Shortest time between two looks at the store's offsets while a handler waits. */
  readonly hurriedMs: number
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
  readonly problem: (what: string | null) => void
  /** Called with the reason if the store's offsets could not be read. */
  readonly failed: (cause: unknown) => void
}

/** Most looks while a handler waits for the store. */
const MOST_POLLS = 3

const nothing = (): void => undefined

/**
 * Takes readings into the ledger once the store has committed past them. What the store has not
 * committed is held: at most one fetch of each partition, which is paused meanwhile.
 */
export class StoreFollower {
  private readonly options: StoreFollowerOptions
  private polling: Promise<void> | undefined
  private polledAt = Number.NEGATIVE_INFINITY

  constructor(options: StoreFollowerOptions) {
    this.options = options
  }

  /** Reads the store's offsets, and takes the readings that the store has committed. */
  poll(): Promise<void> {
    this.polling ??= this.pollNow().finally(() => {
      this.polling = undefined
      this.polledAt = this.options.clock.monotonicMs()
    })
    return this.polling
  }

  /**
   * Holds readings, and waits for the store for a moment, because as a rule it soon commits what
   * was fetched. A paused partition would be read again only a second later. The wait must be
   * short: while a handler waits, the store's dead letters are not read, and without them its
   * offsets do not count.
   */
  async hold(place: Place, batch: ConsumedBatch, generation: number): Promise<void> {
    const { claimed, clock, hurriedMs, signal, failed } = this.options
    place.held.push(batch)
    place.leaderEpoch = batch.leaderEpoch
    await this.take(place, generation)
    for (let polls = 0; place.held.length > 0 && claimed.isCurrent(generation) && polls < MOST_POLLS; polls++) {
      await clock.delay(Math.max(0, this.polledAt + hurriedMs - clock.monotonicMs()), signal)
      if (claimed.isCurrent(generation)) await this.poll().catch(failed)
    }
  }

  /** Takes held readings up to the store's offset. The partition is paused while some are left. */
  async take(place: Place, generation: number): Promise<void> {
    const { claimed, state, consumer } = this.options
    if (place.taking || !claimed.isCurrent(generation)) return
    place.taking = true
    try {
      for (let batch = place.held[0]; batch !== undefined; batch = place.held[0]) {
        if (!(await this.isInLog(place, batch, generation))) return
        const until = state.gate.until(place.partition, this.deadLettersRead, batch.leaderEpoch)
        if (!(await this.takeReadings(place, batch, until, generation))) break
        place.held.shift()
        place.at = 0
        place.heldUnder = -1
      }
    } finally {
      place.taking = false
    }
    if (!claimed.isCurrent(generation)) return
    if (place.held.length > 0) consumer.pause(place)
    else consumer.resume(place)
  }

  private readonly deadLettersRead = (partition: number): bigint =>
    this.options.claimed.get({ topic: STORE_DEAD, partition })?.position ?? 0n

  private async pollNow(): Promise<void> {
    const { store, logs, claimed, state, problem } = this.options
    const { generation } = claimed
    const { gate, readingsId, paired } = state
    const owned = [...claimed.all()].filter(({ topic }) => topic === topics.readings)
    if (owned.length === 0) return
    const positions = (await store.positions(declaredStore.name, topics.readings)).filter(({ topicId }) => topicId === readingsId)
    for (const { partition } of owned) gate.until(partition, this.deadLettersRead, -1)
    // The store writes its dead letters before it commits. So the dead letters that exist now cover
    // everything below these positions.
    if (gate.news(positions)) {
      const ends = await logs.extents(STORE_DEAD)
      gate.learn(positions, (partition) => (paired ? ends.filter((each) => each.partition === partition) : ends))
    }
    if (!claimed.isCurrent(generation)) return
    problem(null)
    await Promise.all(owned.map((place) => this.take(place, generation)))
  }

  /**
   * Whether held readings are in the log that the store has read. If it has read from a later
   * leader, the log may have been cut below them: then the store has passed other records at their
   * offsets, and the held ones are gone. False also if the partitions were taken away.
   */
  private async isInLog(place: Place, { nextOffset, leaderEpoch }: ConsumedBatch, generation: number): Promise<boolean> {
    const { logs, log, claimed, state } = this.options
    const { topic, partition } = place
    state.gate.until(partition, this.deadLettersRead, leaderEpoch)
    const later = state.gate.leaderEpoch(partition)
    if (leaderEpoch < 0 || later <= Math.max(leaderEpoch, place.heldUnder)) return true
    const position = { topic, partition, nextOffset, leaderEpoch }
    const checked = await claimed.patiently('asking Kafka for its log', generation, () => logs.check([position]))
    if (checked === undefined) return false
    const change = checked[0]?.change ?? null
    if (change === null || change.tag === 'deleted') {
      place.heldUnder = later
      return true
    }
    log.warn('readings that the store had not committed are no longer in the log; starting over', {
      topic,
      partition,
      from: String(change.to),
      to: String(nextOffset),
    })
    claimed.startOver()
    return false
  }

  /** False if it stopped before the end of the batch. */
  private async takeReadings(place: Place, { records, nextOffset }: ConsumedBatch, until: bigint, generation: number): Promise<boolean> {
    const { intake } = this.options.state
    const { partition, truncatedUntil } = place
    const end = nextOffset <= until ? records.length : firstFrom(records, place.at, until)
    for (; place.at < end; place.at++) {
      const record = records[place.at] as KafkaRecord
      const truncated = truncatedUntil !== null && record.offset < truncatedUntil
      while (!intake.reading(record, partition, truncated)) {
        // The ledger and its position must agree before anything is awaited, because changes may be
        // written meanwhile.
        place.position = record.offset
        const absent = intake.absentOfReadings(records, place.at, MOST_AT_ONCE)
        if (!(await this.options.loader.load(once(absent), partition, () => true, nothing, generation))) return false
      }
    }
    const waiting = records[end]
    if (waiting !== undefined) {
      place.position = waiting.offset
      return false
    }
    place.position = nextOffset
    return true
  }
}
