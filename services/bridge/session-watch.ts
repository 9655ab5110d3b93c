import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../../connectors/contract.ts'
import { type BrokerUptime, droppedSince, isLost, type RememberedSession, wasRestarted } from '../../processors/bridge/session.ts'
import type { Health } from '../service.ts'

/** Outlives the bridge. */
export interface SessionMemory {
  /**
   * What the last bridge with this client ID remembered; undefined if there was none, or it cannot
   * be told.
   */
  readonly before: Promise<RememberedSession | undefined>
  /** Does not wait for it to be safe: it will be written again. */
  remember(session: RememberedSession): void
}

export interface SessionWatchOptions {
  readonly clientId: string
  /** The broker's address, without credentials. */
  readonly broker: string
  readonly expirySeconds: number
  readonly memory: SessionMemory
  /** What the broker says that it has dropped since it started. */
  readonly dropped: () => number | undefined
  /** The last that the broker said of how long it has been running. */
  readonly uptime: () => BrokerUptime | undefined
  readonly health: Health
  readonly log: Log
}

/** Watches that the bridge's session is its own, and that the broker queues what comes for it. */
export interface SessionWatch extends AsyncDisposable {
  /** A session is up: the one that was there before, or a new one. */
  connected(present: boolean): Promise<void>
  /** The connection has ended. */
  disconnected(): void
  /**
   * Another client has connected with the bridge's client ID.
   * @param told by the broker; else it only looks so, and the broker may have been restarted
   */
  takenOver(told: boolean): void
  readonly counters: {
    readonly lost: number
    readonly takeovers: number
    /** What looked like a takeover, and was the broker's restart. */
    readonly restarts: number
    /** What may be either. */
    readonly unexplained: number
    readonly brokerDropped: number
  }
}

/** How long health says what has happened, if it does not go on. Counters and the log keep it. */
const SAID_MS = 30_000
const LOOK_MS = 1_000
/**
 * How old a memory may be: a session that was seen so long before its end is not missed afterwards.
 */
const REMEMBER_MS = 60_000
/**
 * The broker's uptime comes with the subscription, and again every 10 seconds (Mosquitto's
 * sys_interval). Then it is known, or will not be.
 */
const EXPLAINED_MS = 25_000
/** At the end, for what the last bridge remembered. */
const LOADING_MS = 2_000

export function createSessionWatch(options: SessionWatchOptions): SessionWatch {
  const { clientId, broker, expirySeconds, memory, health, log } = options
  const counters = { lost: 0, takeovers: 0, restarts: 0, unexplained: 0, brokerDropped: 0 }
  const said = new Map<string, NodeJS.Timeout>()
  let up = false
  let last: RememberedSession | undefined
  let known = false
  let connectedMs = 0
  /** Connections that ended without a word: nobody knows yet why. */
  let ended: { readonly before: BrokerUptime; readonly sinceMs: number; times: number } | undefined

  const loading = memory.before.then((before) => {
    last ??= before
    known = true
  })

  function say(part: string, what: string): void {
    health.set(part, what)
    clearTimeout(said.get(part))
    const timer = setTimeout(() => {
      said.delete(part)
      health.set(part, null)
    }, SAID_MS)
    timer.unref()
    said.set(part, timer)
  }

  /** What the last bridge, or this one, knew of this broker's count. */
  function droppedBefore(): number | null {
    return last?.broker === broker ? last.dropped : null
  }

  function remember(): void {
    // What it counts now takes the place of what it counted then only once the difference has been
    // told.
    const dropped = options.dropped() ?? null
    const more = dropped === null ? 0 : droppedSince(droppedBefore(), dropped)
    if (more > 0) {
      counters.brokerDropped += more
      const what = `the broker has dropped ${more} messages: more waited for a client than max_queued_messages and max_queued_bytes allow`
      log.error(what, { broker })
      say('queue of the broker', what)
    }
    last = { broker, seenMs: Date.now(), expirySeconds, dropped: dropped ?? droppedBefore() }
    memory.remember(last)
  }

  function sayTakenOver(times: number, how: string): void {
    counters.takeovers += times
    const what = `another client has connected with client ID ${clientId}, it seems: ${how} (${counters.takeovers} times); is it a second bridge?`
    log.error(what, { broker })
    say('mqtt session taken over', what)
  }

  /** A guess is nothing for health: it waits for what the broker says of itself. */
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
    // Before it is known what there was, nothing may take its place.
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
    disconnected() {
      if (up && known) remember()
      up = false
    },
    takenOver(told) {
      if (told) {
        sayTakenOver(1, 'the broker says so')
        return
      }
      // One that never said its uptime was there, at least, when the connection that has ended
      // began.
      ended ??= { before: options.uptime() ?? { seconds: 0, heardMs: connectedMs }, sinceMs: Date.now(), times: 0 }
      ended.times++
    },
    counters,
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      // One that stops at once must not leave less behind than it found.
      await Promise.race([loading, delay(LOADING_MS, undefined, { ref: false })])
      if (up && known) remember()
      up = false
      for (const each of said.values()) clearTimeout(each)
    },
  }
}
