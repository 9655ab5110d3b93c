import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Log } from '../../connectors/contract.ts'
import { type BrokerUptime, droppedSince, isLost, type RememberedSession, wasRestarted } from '../../processors/bridge/session.ts'
import type { Subscription } from '../../processors/bridge/subscriptions.ts'
import { forAWhile } from '../for-a-while.ts'
import type { Health } from '../service.ts'

/** What outlives the bridge. */
export interface SessionMemory {
  /**
   * What the last bridge with this client ID remembered; undefined if there was none, or nobody can
   * tell.
   */
  readonly before: Promise<RememberedSession | undefined>
  /** Does not wait until it is written: it will be written again. */
  remember(session: RememberedSession): void
}

export interface SessionWatchOptions {
  readonly clientId: string
  /** The broker's address, without credentials. */
  readonly broker: string
  readonly expirySeconds: number
  readonly memory: SessionMemory
  /** How many messages the broker says it has dropped since it started. */
  readonly dropped: () => number | undefined
  /** The last uptime that the broker said. */
  readonly uptime: () => BrokerUptime | undefined
  readonly health: Health
  readonly log: Log
}

/**
 * Watches whether another client takes the bridge's session, and whether the broker drops messages
 * of its queues.
 */
export interface SessionWatch extends AsyncDisposable {
  /** A session is up: the one that was there before, or a new one. */
  connected(present: boolean): Promise<void>
  /** What the session may be subscribed to, the oldest first; undefined if nobody knows. */
  subscribedBefore(): Promise<readonly Subscription[] | undefined>
  /** Remembers what it may be subscribed to from now on. */
  subscribing(subscriptions: readonly Subscription[]): void
  /** The connection has ended. */
  disconnected(): void
  /**
   * Another client has connected with the bridge's client ID.
   * @param told true if the broker said so; false if it only looks so, and the broker may have been
   *   restarted
   */
  takenOver(told: boolean): void
  readonly counters: {
    readonly lost: number
    readonly takeovers: number
    /** Restarts of the broker that looked like a takeover. */
    readonly restarts: number
    /** Endings that may be either. */
    readonly unexplained: number
    readonly brokerDropped: number
  }
}

/** How long health reports an event. Counters and the log keep it. */
const SAID_MS = 30_000
const LOOK_MS = 1_000
/**
 * The memory is written again after this long, so that a session is not missed because it was last
 * seen too long ago.
 */
const REMEMBER_MS = 60_000
/**
 * The broker's uptime comes with the subscription, and again every 10 seconds (Mosquitto's
 * sys_interval). If it has not come by then, it will not come.
 */
const EXPLAINED_MS = 25_000
/** At the end, how long to wait for what the last bridge remembered. */
const LOADING_MS = 2_000

export function createSessionWatch(options: SessionWatchOptions): SessionWatch {
  const { clientId, broker, expirySeconds, memory, health, log } = options
  const counters = { lost: 0, takeovers: 0, restarts: 0, unexplained: 0, brokerDropped: 0 }
  const say = forAWhile((part, what) => health.set(part, what), SAID_MS)
  let up = false
  let last: RememberedSession | undefined
  let known = false
  let connectedMs = 0
  let subscriptions: readonly Subscription[] | undefined
  /** Connections that ended without a reason, while the cause is not known yet. */
  let ended: { readonly before: BrokerUptime; readonly sinceMs: number; times: number } | undefined

  const loading = memory.before.then((before) => {
    last ??= before
    known = true
  })

  /** The broker's count that the last bridge, or this one, knew. */
  function droppedBefore(): number | null {
    return last?.broker === broker ? last.dropped : null
  }

  function subscribedOf(session: RememberedSession | undefined): readonly Subscription[] | undefined {
    return session?.broker === broker ? session.subscriptions : undefined
  }

  function remember(): void {
    // The new count takes the place of the old one only after the difference was reported.
    const dropped = options.dropped() ?? null
    const more = dropped === null ? 0 : droppedSince(droppedBefore(), dropped)
    if (more > 0) {
      counters.brokerDropped += more
      const what = `the broker has dropped ${more} messages: more waited for a client than max_queued_messages and max_queued_bytes allow`
      log.error(what, { broker })
      say('queue of the broker', what)
    }
    const subscribed = subscriptions ?? subscribedOf(last)
    last = {
      broker,
      seenMs: Date.now(),
      expirySeconds,
      dropped: dropped ?? droppedBefore(),
      ...(subscribed === undefined ? {} : { subscriptions: subscribed }),
    }
    memory.remember(last)
  }

  function sayTakenOver(times: number, how: string): void {
    counters.takeovers += times
    const what = `another client has connected with client ID ${clientId}, it seems: ${how} (${counters.takeovers} times); is it a second bridge?`
    log.error(what, { broker })
    say('mqtt session taken over', what)
  }

  /** Health gets no guesses: this waits for what the broker says about its uptime. */
  function explain(): void {
    if (ended === undefined) return
    const { before, sinceMs, times } = ended
    const after = options.uptime()
    const restarted = after === undefined || after === before ? undefined : wasRestarted(before, after)
    if (restarted === undefined && Date.now() - sinceMs < EXPLAINED_MS) return
    ended = undefined
    if (restarted === false) sayTakenOver(times, 'the broker ended the connection without saying why, and has not been restarted')
    else if (restarted === true) {
      counters.restarts += times
      log.info('the broker has been restarted: that ended the connection without a word', { broker })
    } else {
      counters.unexplained += times
      log.warn(
        `the connection ended without a word: either another client has connected with client ID ${clientId}, or the broker was restarted; its uptime does not tell`,
        { broker, times },
      )
    }
  }

  function look(): void {
    explain()
    // Nothing may overwrite the memory before it was read.
    if (!known || !up || last === undefined) return
    const dropped = options.dropped()
    if ((dropped !== undefined && dropped !== last.dropped) || Date.now() - last.seenMs >= REMEMBER_MS) remember()
  }

  const timer = setInterval(look, LOOK_MS)
  timer.unref()

  return {
    async connected(present) {
      up = true
      connectedMs = Date.now()
      await loading
      if (isLost(last, { broker, present, nowMs: Date.now() })) {
        counters.lost++
        const seen = new Date(last?.seenMs ?? 0).toISOString()
        const what = `the session of client ID ${clientId} was lost or taken: it was there at ${seen}, and the broker has none; what it had queued is gone`
        log.error(what, { broker, times: counters.lost })
        say('mqtt session', what)
      }
      remember()
    },
    async subscribedBefore() {
      await loading
      return subscribedOf(last)
    },
    subscribing(now) {
      if (isDeepStrictEqual(subscriptions, now)) return
      subscriptions = now
      if (!known) return
      if (up) return remember()
      // The session is about to have them. Whether it was lost is not known yet, so nothing else of
      // the memory may change.
      last = { ...(last?.broker === broker ? last : { broker, seenMs: 0, expirySeconds, dropped: null }), subscriptions }
      memory.remember(last)
    },
    disconnected() {
      if (up && known) remember()
      up = false
    },
    takenOver(told) {
      if (told) {
        sayTakenOver(1, 'the broker says so')
        return
      }
      // If the broker never said its uptime, it was at least running when the connection that has
      // ended began.
      ended ??= { before: options.uptime() ?? { seconds: 0, heardMs: connectedMs }, sinceMs: Date.now(), times: 0 }
      ended.times++
    },
    counters,
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      // A bridge that stops at once must not overwrite a memory that it has not read.
      await Promise.race([loading, delay(LOADING_MS, undefined, { ref: false })])
      if (up && known) remember()
      up = false
    },
  }
}
