import { setTimeout as delay } from 'node:timers/promises'
import { MqttClient } from 'mqtt'
import type { Subscription } from '../../processors/bridge/subscriptions.ts'
import { Failures } from '../backoff.ts'
import { systemClock } from '../clock.ts'
import { ConnectorError, type Log, type Publish, type PublishHandler } from '../contract.ts'
import type { TlsFiles } from '../tls-files.ts'
import { type Connection, openConnection } from './connection.ts'
import { parseBroker } from './dial.ts'
import { createFlow } from './flow.ts'
import { Handover } from './handover.ts'
import { KeepAlive } from './keep-alive.ts'
import { type GrantedFilters, SessionFilters, type WantedFilters } from './session-filters.ts'
import { DEFAULT_LIMITS, type SubscriberLimits, sessionOptions } from './session-options.ts'
import { observe } from './subscribe.ts'
import { TakeOver } from './take-over.ts'
import { createTopicCache } from './topic-cache.ts'

export interface SubscriberOptions {
  /** mqtt://[user:password@]host[:port] or mqtts://… */
  readonly url: string
  readonly tls?: TlsFiles
  /** Takes precedence over the URL's. */
  readonly username?: string
  readonly password?: string
  /** Names the session at the broker. Two subscribers with the same ID disconnect each other. */
  readonly clientId: string
  /** Topic filters, subscribed with QoS 1. `change` gives others. */
  readonly filters: WantedFilters
  /**
   * What the session may be subscribed to from earlier processes, the oldest first. Nothing is
   * subscribed before this is known.
   */
  readonly subscribedBefore?: Promise<readonly Subscription[]>
  /** Keeps what the session may be subscribed to, for the next process. */
  readonly rememberSubscribed?: (subscriptions: readonly Subscription[]) => void
  /** The broker has answered: what it refuses, and whether the session is subscribed to `#`. */
  readonly onFilters?: (granted: GrantedFilters) => void
  /**
   * Topics on which a broker tells about itself, subscribed with QoS 0. A broker need not have
   * them. They come to the handler like any other.
   */
  readonly observed?: readonly string[]
  readonly handler: PublishHandler
  readonly log: Log
  /** Aborting stops the subscriber, as disposal does. */
  readonly signal?: AbortSignal
  readonly onState?: (state: SessionState) => void
  /**
   * Another client has connected with our client ID, or so it seems: the broker said so, or it
   * ended the connection without a reason and accepted the next one at once. (Mosquitto 2.0.11 ends
   * it so, without the DISCONNECT that MQTT 5 has for it.)
   */
  readonly onTakenOver?: (said: boolean) => void
  readonly limits?: Partial<SubscriberLimits>
}

/** For health: what the session is doing, and since when. */
export type SessionState =
  | { readonly tag: 'connecting'; readonly sinceMs: number; readonly because: string | undefined }
  /**
   * `unansweredSinceMs`: the broker goes on sending, but has not answered the ping that was sent
   * then. What we acknowledge waits unread in its socket.
   */
  | {
      readonly tag: 'connected'
      readonly sinceMs: number
      readonly sessionPresent: boolean
      readonly unansweredSinceMs: number | undefined
    }
  | { readonly tag: 'stopped'; readonly sinceMs: number }

/** Totals since the start; the two `outstanding` figures are of now. */
export interface SubscriberCounters {
  readonly publishes: number
  readonly pubacks: number
  readonly connections: number
  /**
   * Publishes that came while stopping. QoS 1: the broker sends them again to the next session. QoS
   * 0: gone.
   */
  readonly left: number
  /** Deliveries of a message that came for another subscription too. They are acknowledged. */
  readonly copies: number
  readonly outstandingPublishes: number
  readonly outstandingBytes: number
}

export interface Subscriber extends AsyncDisposable {
  readonly state: SessionState
  counters(): SubscriberCounters
  /**
   * Subscribes to other filters, in the same session; also again to those that were refused. Waits
   * for the broker's answer if it is connected. Later connections have them at any rate.
   */
  change(filters: WantedFilters): Promise<void>
}

/** A connection that lived this long was good: its loss counts as a first failure. */
const STABLE_MS = 10_000
const CLOSE_MS = 2_000
/**
 * The broker ended the connection while something of ours, a PUBACK for one, was on its way: TCP
 * says so by a reset, and not by its end.
 */
const RESET: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE'])

/**
 * Subscribes with QoS 1 and a persistent session, hands over what comes in batches, and
 * acknowledges each batch once its handler has resolved, in the order received. At least once: if
 * something is not acknowledged when a connection ends, it comes again on the next one. Connects at
 * once and reconnects for ever, with full jitter.
 * @throws TypeError if the URL is not valid
 */
export function createSubscriber(options: SubscriberOptions): Subscriber {
  const { log, signal } = options
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const broker = parseBroker(options.url, options.tls)
  const topics = createTopicCache()
  const flow = createFlow({ publishes: limits.receiveMaximum, bytes: limits.outstandingBytes })
  const handover = new Handover(options.handler, flow, onRelease)
  const keepAlive = new KeepAlive(limits.keepaliveSeconds * 1_000)
  const failures = new Failures(systemClock, limits.reconnect)
  const takeOver = new TakeOver()
  let connection: Connection | undefined
  let state: SessionState = { tag: 'connecting', sinceMs: Date.now(), because: undefined }
  let phase: 'running' | 'draining' | 'closing' = 'running'
  let drained: (() => void) | undefined
  let stopped: Promise<void> | undefined
  let reconnectTimer: NodeJS.Timeout | undefined
  let lastError: string | undefined
  let pubacks = 0
  let connections = 0
  let copies = 0

  const credentials = { username: options.username ?? broker.username, password: options.password ?? broker.password }
  const client = new MqttClient(connect, sessionOptions(options.clientId, credentials, limits))
  const filters = new SessionFilters({
    client,
    wanted: options.filters,
    before: options.subscribedBefore ?? Promise.resolve([]),
    remember: options.rememberSubscribed ?? (() => undefined),
    onGranted: options.onFilters ?? (() => undefined),
    log,
  })
  client.on('connect', ({ sessionPresent, properties }) => {
    connections++
    if (takeOver.accepted()) options.onTakenOver?.(false)
    keepAlive.connected()
    // Not after subscribing: a reason may come in one piece with SUBACK.
    lastError = undefined
    const failed = giveUp(connection)
    begin(sessionPresent, properties?.subscriptionIdentifiersAvailable !== false, failed).catch(failed)
  })
  client.on('error', (error) => {
    lastError = error.message === '' ? String((error as NodeJS.ErrnoException).code) : error.message
    const fields = { broker: broker.address, error: lastError }
    if (error instanceof ConnectorError && !error.transient)
      log.error('MQTT connection given up for a defect', { ...fields, stack: error.stack })
    else log.warn('MQTT connection failed', fields)
  })
  client.on('disconnect', ({ reasonCode }) => {
    if (takeOver.disconnected(reasonCode)) options.onTakenOver?.(true)
    lastError = `the broker disconnected us: reason code 0x${(reasonCode ?? 0).toString(16)}`
    log.warn('MQTT broker sent DISCONNECT', { broker: broker.address, reasonCode })
  })
  client.on('close', onClose)
  client.on('packetsend', ({ cmd }) => {
    if (cmd === 'pingreq') keepAlive.pinged(Date.now())
    if (cmd === 'subscribe') takeOver.subscribing()
  })
  client.on('packetreceive', ({ cmd }) => {
    if (cmd === 'pingresp') keepAlive.answered()
    if (cmd === 'suback') takeOver.subscribed()
  })
  const pinging = setInterval(ping, limits.keepaliveSeconds * 250)
  const onAbort = (): void => void stop()
  signal?.addEventListener('abort', onAbort, { once: true })
  if (signal?.aborted) void stop()
  else client.connect()

  function connect(): Connection['stream'] {
    const opened = openConnection({
      dial: broker.dial,
      topics,
      largestPacketBytes: limits.largestPacketBytes,
      readIntervalMs: limits.readIntervalMs,
      mayRead: () => phase === 'closing' || (phase === 'running' && !flow.full),
      take({ publishes, identifiers }, bytes, acknowledge) {
        keepAlive.received()
        handover.take(identifiers === undefined ? publishes : once(publishes, identifiers), bytes, acknowledge, opened.stream)
      },
      onPubacks: (count) => {
        pubacks += count
      },
    })
    connection = opened
    takeOver.attempted()
    opened.stream.once('end', () => takeOver.ended())
    opened.stream.once('error', (error: NodeJS.ErrnoException) => {
      if (RESET.has(error.code ?? '')) takeOver.ended()
    })
    return opened.stream
  }

  function once(publishes: readonly Publish[], identifiers: ReadonlyMap<number, readonly number[]>): Publish[] {
    const taken = publishes.filter(({ topic, retain }, index) => {
      const own = identifiers.get(index)
      return own === undefined || !filters.isCopy(topic, own, retain)
    })
    copies += publishes.length - taken.length
    return taken
  }

  function giveUp(current: Connection | undefined): (cause: unknown) => void {
    return (cause) => current?.stream.destroy(new ConnectorError('MQTT_SUBSCRIBE', true, 'subscribing', cause))
  }

  async function begin(sessionPresent: boolean, identifiable: boolean, failed: (cause: unknown) => void): Promise<void> {
    await filters.begin(sessionPresent, identifiable, failed)
    log.info('MQTT session up', { broker: broker.address, sessionPresent })
    observe(client, options.observed ?? []).catch((error: unknown) => {
      log.info('the broker says nothing of itself', { broker: broker.address, error: String(error) })
    })
    become({ tag: 'connected', sinceMs: Date.now(), sessionPresent, unansweredSinceMs: undefined })
  }

  function onRelease(): void {
    if (flow.publishes === 0) drained?.()
    connection?.resume()
  }

  function ping(): void {
    const alive = keepAlive.look(connection?.held === true, Date.now())
    if (!client.connected) return
    if (alive) {
      client.reschedulePing(true)
      client.sendPing()
    }
    if (state.tag !== 'connected') return
    const unansweredSinceMs = keepAlive.unansweredSinceMs(Date.now())
    if ((unansweredSinceMs === undefined) === (state.unansweredSinceMs === undefined)) return
    if (unansweredSinceMs === undefined) log.info('MQTT broker answers again', { broker: broker.address })
    else log.warn('MQTT broker sends, but does not answer: it is overloaded', { broker: broker.address })
    become({ ...state, unansweredSinceMs })
  }

  function onClose(): void {
    if (phase !== 'running' || reconnectTimer) return
    const now = Date.now()
    if (state.tag === 'connected' && now - state.sinceMs >= STABLE_MS) failures.count = 0
    if (state.tag === 'connected') log.warn('MQTT connection lost', { broker: broker.address, because: lastError })
    become({ tag: 'connecting', sinceMs: state.tag === 'connecting' ? state.sinceMs : now, because: lastError })
    reconnectTimer = setTimeout(() => {
      reconnectTimer = undefined
      client.reconnect()
    }, failures.next())
  }

  function become(next: SessionState): void {
    state = next
    options.onState?.(next)
  }

  function stop(): Promise<void> {
    stopped ??= drainAndClose()
    return stopped
  }

  async function drainAndClose(): Promise<void> {
    phase = 'draining'
    handover.stop()
    clearTimeout(reconnectTimer)
    const onTime = flow.publishes === 0 || (await within(limits.drainMs, new Promise<void>((resolve) => (drained = resolve))))
    if (!onTime) log.warn('MQTT messages left unacknowledged; the broker will send them again', { messages: flow.publishes })
    // PUBACKs are written on the next turn.
    await new Promise((resolve) => setImmediate(resolve))
    phase = 'closing'
    connection?.resume()
    try {
      if (connection) await within(CLOSE_MS, client.endAsync(!client.connected))
    } catch (error) {
      log.warn('MQTT session did not end cleanly', { broker: broker.address, error: String(error) })
    }
    connection?.stream.destroy()
    clearInterval(pinging)
    signal?.removeEventListener('abort', onAbort)
    become({ tag: 'stopped', sinceMs: Date.now() })
  }

  return {
    get state() {
      return state
    },
    change: (wanted) => filters.change(wanted).catch(giveUp(connection)),
    counters: () => ({
      copies,
      publishes: handover.publishes,
      pubacks,
      connections,
      left: handover.left,
      outstandingPublishes: flow.publishes,
      outstandingBytes: flow.bytes,
    }),
    [Symbol.asyncDispose]: stop,
  }
}

/** Whether the promise was fulfilled in time. */
function within(ms: number, promise: Promise<void>): Promise<boolean> {
  return Promise.race([promise.then(() => true), delay(ms, false, { ref: false })])
}
