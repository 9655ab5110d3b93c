import { setTimeout as delay } from 'node:timers/promises'
import { backoffMs } from '../../connectors/backoff.ts'
import type { ConsumedBatch, Log, Position, TopicPartition } from '../../connectors/contract.ts'
import { type ContinuityStore, type LedgerBatch, ledgerBatch } from '../../connectors/postgres/continuity-store.ts'
import type { FrameSchemas } from '../../processors/continuity/dead-letter-number.ts'
import { Intake, type OpenDeadLetter } from '../../processors/continuity/intake.ts'
import { type BootKey, Ledger } from '../../processors/continuity/ledger.ts'
import { createStoreGate, type StoreGate } from '../../processors/continuity/store-gate.ts'
import type { ConsumerName, KafkaRecord } from '../../processors/contract.ts'
import type { DeadLetter } from '../../processors/dead-letter.ts'
import { store as declaredStore } from '../../processors/store/declaration.ts'
import { deadTopic, topics } from '../../processors/topics.ts'
import type { ContinuityCounters } from './counters.ts'
import { type ClaimOptions, claimPlaces, firstFrom, type Place, placeKey } from './places.ts'

export interface ContinuityLoopOptions extends ClaimOptions {
  readonly consumer: ConsumerName
  readonly store: ContinuityStore
  /** Makes the schemas' answers definitive for what these dead letters carry. */
  readonly prepare: (deadLetters: readonly OpenDeadLetter[]) => Promise<void>
  readonly schemas: FrameSchemas
  /** Which names are those of devices: only these are in the ledger. */
  readonly devices: { readonly ask: (names: Iterable<string>) => Promise<void>; readonly has: (name: string) => boolean }
  readonly decode: (value: Buffer) => DeadLetter
  /**
   * Changes are written at most this often, and less often where writing them takes more than a
   * twentieth of the time.
   */
  readonly flushMs: number
  /**
   * How often the store is asked how far it has come; up to four times as often while it has not
   * come as far as what was fetched.
   */
  readonly pollMs: number
  readonly log: Log
  readonly signal: AbortSignal
  readonly counters: ContinuityCounters
  /** Where partitions are, after a claim and after a commit: for lag tools. */
  readonly committed: (positions: readonly Position[]) => void
  readonly pause: (partition: TopicPartition) => void
  readonly resume: (partition: TopicPartition) => void
  readonly reclaim: () => void
  /** Health: null while all is well, else what is wrong. */
  readonly problem: (what: string | null) => void
}

/** What the consumer of the readings and of the dead letters calls. */
export interface ContinuityLoop {
  claim(partitions: readonly TopicPartition[], generation: number): Promise<readonly Position[]>
  handle(batch: ConsumedBatch, generation: number): Promise<void>
  revoked(): void
  /** Writes what is there, then stops. */
  drain(): Promise<void>
  /** Boots in memory. */
  boots(): number
}

const BACKOFF = { baseMs: 100, maxMs: 10_000 }
const STORE = declaredStore.name
const STORE_DEAD = deadTopic(STORE)
/** While a handler waits for the store. */
const MOST_POLLS = 3
const WRITING_SHARE = 20
const LONGEST_PAUSE_MS = 30_000
/** A boot that was not heard of for so many rounds of writing is loaded again when it is. */
const IDLE_ROUNDS = 60
/** Boots that one query loads, and dead letters that are taken at a time. */
const MOST_AT_ONCE = 5_000

const nothing = (): void => undefined

/** Gives the boots the first time that it is asked, and none after that. */
function once(boots: readonly BootKey[]): () => readonly BootKey[] {
  const rest = [boots]
  return () => rest.pop() ?? []
}

/**
 * Follows the store through the readings, one step behind: a frame is stored once the store has
 * committed past its record. What the store has not committed is held, at most one fetch a
 * partition, which is paused meanwhile. Every few seconds the changed rows are written in one
 * transaction with the offsets of all partitions.
 */
export function createContinuityLoop(options: ContinuityLoopOptions): ContinuityLoop {
  const { consumer, store, log, signal, counters } = options
  let current = 0
  let ledger = new Ledger(counters)
  let intake = newIntake()
  let gate: StoreGate = createStoreGate()
  let places = new Map<string, Place>()
  let readingsId = ''
  /**
   * Whether the store's dead letters about a partition's readings are on the partition of the same
   * number.
   */
  let paired = true
  let writing: Promise<void> | undefined
  let loading = 0
  let ended = false
  let polling: Promise<void> | undefined
  let polledAt = Number.NEGATIVE_INFINITY
  const hurriedMs = options.pollMs / 4
  void every(() => options.pollMs, pollOnce)
  void every((tookMs) => Math.max(options.flushMs, Math.min(WRITING_SHARE * tookMs, LONGEST_PAUSE_MS)), write)

  function newIntake(): Intake {
    const { schemas, devices, decode } = options
    return new Intake({ ledger, schemas, isDevice: (name) => devices.has(name), decode, counters })
  }

  function forget(): void {
    ledger = new Ledger(counters)
    intake = newIntake()
    gate = createStoreGate()
    places = new Map()
  }

  /** Calls again and again, with a pause in between that is told how long the work took. */
  async function every(pauseMs: (tookMs: number) => number, work: () => Promise<void>): Promise<void> {
    while (!signal.aborted && !ended) {
      const started = performance.now()
      await work().catch(failed)
      await delay(pauseMs(performance.now() - started), undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  function failed(cause: unknown): void {
    if (signal.aborted) return
    options.problem(`the telemetry database or Kafka: ${String(cause)}`)
    log.warn('following the store failed; trying again', { cause: String(cause) })
  }

  function pollOnce(): Promise<void> {
    polling ??= poll().finally(() => {
      polling = undefined
      polledAt = performance.now()
    })
    return polling
  }

  /** Learns how far the store has come, and takes the readings that it has committed. */
  async function poll(): Promise<void> {
    const [generation, mine] = [current, gate]
    const owned = [...places.values()].filter(({ topic }) => topic === topics.readings)
    if (owned.length === 0) return
    const positions = (await store.positions(STORE, topics.readings)).filter(({ topicId }) => topicId === readingsId)
    for (const { partition } of owned) mine.until(partition, deadLettersRead, -1)
    // The store writes its dead letters before it commits: those that there are now cover
    // everything below these positions.
    if (mine.news(positions)) {
      const ends = await options.logs.extents(STORE_DEAD)
      mine.learn(positions, (partition) => (paired ? ends.filter((each) => each.partition === partition) : ends))
    }
    if (generation !== current) return
    options.problem(null)
    await Promise.all(owned.map((place) => take(place, generation)))
  }

  /**
   * Waits for the store, if only for a moment: it commits what was fetched soon, as a rule. A
   * paused partition would be read again a second later. It must not be long: while a handler
   * waits, the store's dead letters are not read, and without them its offsets do not count.
   */
  async function awaitStore(place: Place, generation: number): Promise<void> {
    for (let polls = 0; place.held.length > 0 && generation === current && polls < MOST_POLLS; polls++) {
      await delay(Math.max(0, polledAt + hurriedMs - performance.now()), undefined, { signal })
      if (generation === current) await pollOnce().catch(failed)
    }
  }

  function deadLettersRead(partition: number): bigint {
    return places.get(placeKey(STORE_DEAD, partition))?.position ?? 0n
  }

  /**
   * Takes held readings up to where the store has come; the partition is paused while some are
   * left.
   */
  async function take(place: Place, generation: number): Promise<void> {
    if (place.taking || generation !== current) return
    place.taking = true
    try {
      for (let batch = place.held[0]; batch !== undefined; batch = place.held[0]) {
        if (!(await isInLog(place, batch, generation))) return
        if (!(await takeReadings(place, batch, gate.until(place.partition, deadLettersRead, batch.leaderEpoch), generation))) break
        place.held.shift()
        place.at = 0
        place.heldUnder = -1
      }
    } finally {
      place.taking = false
    }
    if (generation !== current) return
    if (place.held.length > 0) options.pause(place)
    else options.resume(place)
  }

  /**
   * Whether held readings are in the log that the store has come to. If it has read from a later
   * leader, the log may have been cut below them: then it has passed other records at their
   * offsets, and they are gone. False, too, where the partitions are.
   */
  async function isInLog(place: Place, { nextOffset, leaderEpoch }: ConsumedBatch, generation: number): Promise<boolean> {
    const { topic, partition } = place
    gate.until(partition, deadLettersRead, leaderEpoch)
    const later = gate.leaderEpoch(partition)
    if (leaderEpoch < 0 || later <= Math.max(leaderEpoch, place.heldUnder)) return true
    const checked = await patiently('asking Kafka for its log', generation, () =>
      options.logs.check([{ topic, partition, nextOffset, leaderEpoch }]),
    )
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
    startOver()
    return false
  }

  /** Drops what is not written, and claims the partitions anew. */
  function startOver(): void {
    current = -1
    forget()
    options.reclaim()
  }

  /** False if it stopped before the end of the batch. */
  async function takeReadings(place: Place, { records, nextOffset }: ConsumedBatch, until: bigint, generation: number): Promise<boolean> {
    const { partition, truncatedUntil } = place
    const end = nextOffset <= until ? records.length : firstFrom(records, place.at, until)
    for (; place.at < end; place.at++) {
      const record = records[place.at] as KafkaRecord
      const truncated = truncatedUntil !== null && record.offset < truncatedUntil
      while (!intake.reading(record, partition, truncated)) {
        // What is in the ledger and how far it goes must agree whenever others get their turn:
        // changes may be written meanwhile.
        place.position = record.offset
        const absent = intake.absentOfReadings(records, place.at, MOST_AT_ONCE)
        if (!(await load(once(absent), partition, () => true, nothing, generation))) return false
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

  async function takeDeadLetters(place: Place, { records, nextOffset, leaderEpoch }: ConsumedBatch, generation: number): Promise<void> {
    const deadLetters = intake.open(records, place.partition)
    await options.prepare(deadLetters)
    if (generation !== current) return
    for (let from = 0; from < deadLetters.length; ) {
      // A record may be the dead letter of many: all of them are taken together.
      let to = Math.min(from + MOST_AT_ONCE, deadLetters.length)
      while (to < deadLetters.length && deadLetters[to]?.offset === deadLetters[to - 1]?.offset) to++
      const some = deadLetters.slice(from, to)
      const asked = await patiently('looking up devices', generation, async () => {
        await options.devices.ask(some.map(({ device }) => device))
        return true
      })
      if (asked === undefined) return
      const done = await load(
        () => intake.absentOfDeadLetters(some),
        place.partition,
        (name) => options.devices.has(name),
        () => applyDeadLetters(place, some, deadLetters[to]?.offset ?? nextOffset),
        generation,
      )
      if (!done) return
      from = to
    }
    place.position = nextOffset
    place.leaderEpoch = leaderEpoch
    if (place.topic !== STORE_DEAD) return
    const waiting = [...places.values()].filter(({ partition, held }) => held.length > 0 && (!paired || partition === place.partition))
    for (const readings of waiting) await take(readings, generation)
  }

  function applyDeadLetters(place: Place, deadLetters: readonly OpenDeadLetter[], position: bigint): void {
    const taken = (partition: number): bigint | undefined => places.get(placeKey(topics.readings, partition))?.position
    for (const deadLetter of deadLetters)
      if (!intake.deadLetter(deadLetter, taken, place.truncatedUntil !== null && deadLetter.offset < place.truncatedUntil))
        throw new RangeError(`the boot of a dead letter of ${deadLetter.device} was loaded and is not there`)
    place.position = position
  }

  /**
   * Takes boots into memory until none is absent, then does the work at once: whatever is awaited
   * in between, others may forget what is written. Waits through an outage of the database, and
   * while there are too many boots in memory. False if the partitions are gone.
   */
  async function load(
    absent: () => readonly BootKey[],
    partition: number,
    isDevice: (name: string) => boolean,
    work: () => void,
    generation: number,
  ): Promise<boolean> {
    for (let keys = absent(); keys.length > 0; keys = absent()) {
      const [mine, wanted] = [ledger, keys]
      if (mine.isFull) {
        await write()
        mine.forget(IDLE_ROUNDS)
      }
      while (writing !== undefined) await writing
      if (generation !== current) return false
      counters.loads++
      // From here to `admit`: a row that is read must not be folded meanwhile.
      loading++
      try {
        const loaded = await patiently('reading frame numbers', generation, () => store.load(wanted))
        if (loaded === undefined) return false
        mine.admit(wanted, loaded, partition, isDevice)
      } finally {
        loading--
      }
    }
    work()
    return true
  }

  /** Writes what has changed since the last time. */
  async function write(): Promise<void> {
    if (writing !== undefined) return writing
    const moved = [...places.values()].flatMap((place) => {
      const to = writable(place)
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
    const batch = ledgerBatch(
      ledger.changes((partition) => loading === 0 && moving.has(partition)),
      moves,
    )
    const generation = current
    writing = commit(batch, generation)
      .then((committed) => {
        if (!committed || generation !== current) return
        for (const { place, to } of moved) place.written = to
        ledger.forget(IDLE_ROUNDS)
      })
      .finally(() => {
        writing = undefined
      })
    return writing
  }

  /** Up to where a partition's records need not be read again. */
  function writable({ topic, partition, position }: Place): bigint {
    if (topic !== STORE_DEAD) return position
    return intake.firstWaiting(partition, (source) => places.get(placeKey(topics.readings, source))?.position ?? 0n) ?? position
  }

  async function commit(batch: LedgerBatch, generation: number): Promise<boolean> {
    const committed = await patiently('writing frame numbers', generation, () => store.commit(consumer, batch))
    if (committed === undefined) return false
    if (committed) {
      counters.commits++
      options.committed(batch.moves.map(({ topic, partition, to, leaderEpoch }) => ({ topic, partition, nextOffset: to, leaderEpoch })))
      return true
    }
    counters.fenced++
    log.warn('another owner has a partition; nothing was written')
    if (generation === current) startOver()
    return false
  }

  /** Tries until it succeeds; undefined if the partitions were taken away meanwhile. */
  async function patiently<Result>(doing: string, generation: number, work: () => Promise<Result>): Promise<Result | undefined> {
    for (let attempt = 0; generation === current; attempt++) {
      signal.throwIfAborted()
      try {
        const result = await work()
        if (attempt > 0) options.problem(null)
        return generation === current ? result : undefined
      } catch (cause) {
        counters.retries++
        options.problem(`${doing}: ${String(cause)}`)
        log.warn(`${doing} failed; trying again`, { attempt: attempt + 1, cause: String(cause) })
        await delay(backoffMs(attempt, BACKOFF, Math.random), undefined, { signal })
      }
    }
    return undefined
  }

  return {
    async claim(partitions, generation) {
      current = generation
      forget()
      const claimed = await patiently('claiming partitions', generation, () => claimPlaces(options, partitions))
      if (claimed === undefined) return []
      readingsId = claimed.readingsId
      paired = claimed.paired
      if (!paired) log.warn('the topics do not have as many partitions: one member does it all', { consumer })
      places = new Map(claimed.places.map((place) => [placeKey(place.topic, place.partition), place]))
      options.committed(claimed.claims)
      return claimed.claims
    },

    async handle(batch, generation) {
      const place = places.get(placeKey(batch.topic, batch.partition))
      if (place === undefined || generation !== current) return
      if (batch.topic !== topics.readings) return takeDeadLetters(place, batch, generation)
      place.held.push(batch)
      place.leaderEpoch = batch.leaderEpoch
      await take(place, generation)
      await awaitStore(place, generation)
    },

    revoked() {
      current = -1
      forget()
    },

    async drain() {
      await writing
      await write()
      ended = true
    },

    boots: () => ledger.size,
  }
}
