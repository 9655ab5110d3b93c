import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../../connectors/contract.ts'
import { droppedSince, isLost, type RememberedSession } from '../../processors/bridge/session.ts'
import type { Health } from '../service.ts'

/** Outlives the bridge. */
export interface SessionMemory {
  /** What the last bridge with this client ID remembered; undefined if there was none, or it cannot be told. */
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
  readonly health: Health
  readonly log: Log
}

/** Watches that the bridge's session is its own, and that the broker queues what comes for it. */
export interface SessionWatch extends AsyncDisposable {
  /** A session is up: the one that was there before, or a new one. */
  connected(present: boolean): Promise<void>
  /** The connection has ended. */
  disconnected(): void
  /** Another client has connected with the bridge's client ID. @param told by the broker; else it only looks so */
  takenOver(told: boolean): void
  readonly counters: { readonly lost: number; readonly takeovers: number; readonly brokerDropped: number }
}

/** How long health says what has happened, if it does not go on. Counters and the log keep it. */
const SAID_MS = 30_000
const LOOK_MS = 1_000
/** How old a memory may be: a session that was seen so long before its end is not missed afterwards. */
const REMEMBER_MS = 60_000
/** At the end, for what the last bridge remembered. */
const LOADING_MS = 2_000

export function createSessionWatch(options: SessionWatchOptions): SessionWatch {
  const { clientId, broker, expirySeconds, memory, health, log } = options
  const counters = { lost: 0, takeovers: 0, brokerDropped: 0 }
  const said = new Map<string, NodeJS.Timeout>()
  let up = false
  let last: RememberedSession | undefined
  let known = false

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
    // What it counts now takes the place of what it counted then only once the difference has been told.
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

  function look(): void {
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
      counters.takeovers++
      const how = told ? 'the broker says so' : 'the broker ended the connection without saying why'
      const what = `another client has connected with client ID ${clientId}, it seems: ${how} (${counters.takeovers} times); is it a second bridge?`
      log.error(what, { broker })
      say('mqtt session taken over', what)
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
