import { type IClientOptions, MqttClient } from 'mqtt'
import { type Backoff, Failures } from '../backoff.ts'
import { systemClock } from '../clock.ts'
import { ConnectorError, type Log, type PublishHandler } from '../contract.ts'
import { type Connection, openConnection, type TakePublishes } from './connection.ts'
import { parseBroker, type TlsOptions } from './dial.ts'
import { createFlow } from './flow.ts'
import { createTopicCache } from './topic-cache.ts'

export interface SubscriberOptions {
  /** mqtt://[user:password@]host[:port] or mqtts://… */
  readonly url: string
  readonly tls?: TlsOptions
  /** Takes precedence over the URL's. */
  readonly username?: string
  readonly password?: string
  /** Names the session at the broker. Two subscribers with the same ID disconnect each other. */
  readonly clientId: string
  /**
   * Topic filters, subscribed with QoS 1. If a filter is taken out later, it stays in the broker's
   * session until that expires.
   */
  readonly filters: readonly string[]
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

export interface SubscriberLimits {
  /** QoS 1 messages that the broker may send ahead of their PUBACKs: 1–65,535. */
  readonly receiveMaximum: number
  /** Bytes received and not yet acknowledged at which reading stops. */
  readonly outstandingBytes: number
  /**
   * The broker is told this limit, and silently drops what is larger: so keep the broker's own
   * limit below it.
   */
  readonly largestPacketBytes: number
  /** How long the broker keeps session and messages while we are away. */
  readonly sessionExpirySeconds: number
  readonly keepaliveSeconds: number
  readonly connectTimeoutMs: number
  /** Rest between reads, so that one system call brings many messages. It adds to their latency. */
  readonly readIntervalMs: number
  readonly reconnect: Backoff
  /** At disposal: how long to wait for outstanding messages. */
  readonly drainMs: number
}

const DEFAULTS: SubscriberLimits = {
  receiveMaximum: 10_000,
  outstandingBytes: 32 * 1024 * 1024,
  largestPacketBytes: 4 * 1024 * 1024,
  sessionExpirySeconds: 7 * 24 * 3600,
  keepaliveSeconds: 15,
  connectTimeoutMs: 10_000,
  readIntervalMs: 5,
  reconnect: { baseMs: 500, maxMs: 15_000 },
  drainMs: 5_000,
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
  readonly outstandingPublishes: number
  readonly outstandingBytes: number
}

export interface Subscriber extends AsyncDisposable {
  readonly state: SessionState
  counters(): SubscriberCounters
}

/** A connection that lived this long was good: its loss counts as a first failure. */
const STABLE_MS = 10_000
const CLOSE_MS = 2_000
/** MQTT 5.0, section 3.14.2.1. */
const SESSION_TAKEN_OVER = 0x8e

/**
 * Subscribes with QoS 1 and a persistent session, hands over what comes in batches, and
 * acknowledges each batch once its handler has resolved, in the order received. At least once: if
 * something is not acknowledged when a connection ends, it comes again on the next one. Connects at
 * once and reconnects for ever, with full jitter.
 * @throws TypeError if the URL is not valid
 */
export function createSubscriber(options: SubscriberOptions): Subscriber {
  const { log, handler } = options
  const limits = { ...DEFAULTS, ...options.limits }
  const broker = parseBroker(options.url, options.tls)
  const topics = createTopicCache()
  const flow = createFlow({ publishes: limits.receiveMaximum, bytes: limits.outstandingBytes })
  let connection: Connection | undefined
  let state: SessionState = { tag: 'connecting', sinceMs: Date.now(), because: undefined }
  let phase: 'running' | 'draining' | 'closing' = 'running'
  let drained: (() => void) | undefined
  let stopped: Promise<void> | undefined
  let reconnectTimer: NodeJS.Timeout | undefined
  const failures = new Failures(systemClock, limits.reconnect)
  /** Attempts since the last connection. */
  let attempts = 0
  /** Whether the broker ended the last connection without a reason. */
  let wordless = false
  let lastError: string | undefined
  /** Whether anything was received since the last look. */
  let heard = false
  let heldAtMs = 0
  /** When each ping that has not been answered was sent. */
  let pings: number[] = []
  let publishes = 0
  let pubacks = 0
  let connections = 0
  let left = 0

  const client = new MqttClient(connect, sessionOptions())
  client.on('connect', (connack) => {
    connections++
    if (wordless && attempts === 1) options.onTakenOver?.(false)
    wordless = false
    attempts = 0
    pings = []
    // Not after subscribing: a reason may come in one piece with SUBACK.
    lastError = undefined
    const current = connection
    subscribe(connack.sessionPresent).catch((error: unknown) => {
      current?.stream.destroy(new ConnectorError('MQTT_SUBSCRIBE', true, 'subscribing', error))
    })
  })
  client.on('error', (error) => {
    lastError = error.message === '' ? String((error as NodeJS.ErrnoException).code) : error.message
    const fields = { broker: broker.address, error: lastError }
    if (error instanceof ConnectorError && !error.transient)
      log.error('MQTT connection given up for a defect', { ...fields, stack: error.stack })
    else log.warn('MQTT connection failed', fields)
  })
  client.on('disconnect', (packet) => {
    wordless = false
    if (packet.reasonCode === SESSION_TAKEN_OVER) options.onTakenOver?.(true)
    lastError = `the broker disconnected us: reason code 0x${(packet.reasonCode ?? 0).toString(16)}`
    log.warn('MQTT broker sent DISCONNECT', { broker: broker.address, reasonCode: packet.reasonCode })
  })
  client.on('close', onClose)
  client.on('packetsend', ({ cmd }) => {
    if (cmd === 'pingreq') pings.push(Date.now())
  })
  client.on('packetreceive', ({ cmd }) => {
    if (cmd === 'pingresp') pings.shift()
  })
  const pinging = setInterval(stayAlive, limits.keepaliveSeconds * 250)
  const onAbort = (): void => void stop()
  options.signal?.addEventListener('abort', onAbort, { once: true })
  if (options.signal?.aborted) void stop()
  else client.connect()

  function sessionOptions(): IClientOptions {
    const username = options.username ?? broker.username
    const password = options.password ?? broker.password
    return {
      protocolVersion: 5,
      clientId: options.clientId,
      clean: false,
      keepalive: limits.keepaliveSeconds,
      connectTimeout: limits.connectTimeoutMs,
      manualConnect: true,
      // MQTT.js waits a fixed time and remembers subscriptions; both are done here instead.
      reconnectPeriod: 0,
      resubscribe: false,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      properties: {
        receiveMaximum: limits.receiveMaximum,
        sessionExpiryInterval: limits.sessionExpirySeconds,
        maximumPacketSize: limits.largestPacketBytes,
      },
    }
  }

  function connect(): Connection['stream'] {
    const opened = openConnection({
      dial: broker.dial,
      topics,
      largestPacketBytes: limits.largestPacketBytes,
      readIntervalMs: limits.readIntervalMs,
      mayRead: () => phase === 'closing' || (phase === 'running' && !flow.full),
      take: (packets, bytes, acknowledge) => take(opened, packets, bytes, acknowledge),
      onPubacks: (count) => {
        pubacks += count
      },
    })
    connection = opened
    attempts++
    opened.stream.once('end', () => {
      wordless = state.tag === 'connected'
    })
    return opened.stream
  }

  async function subscribe(sessionPresent: boolean): Promise<void> {
    // rh 1: retained messages only for a subscription that is new. rap false: a live message does
    // not carry its retain flag, so the flag means that a message is old and out of the broker's
    // store. Every connection subscribes: the filters may have changed.
    const granted = await client.subscribeAsync([...options.filters], { qos: 1, rh: 1, rap: false })
    const refused = granted.filter((grant) => grant.qos !== 1)
    if (refused.length > 0) throw new Error(`the broker granted QoS ${refused[0]?.qos} in place of 1 for ${refused[0]?.topic}`)
    log.info('MQTT session up', { broker: broker.address, sessionPresent, filters: options.filters })
    observe()
    become({ tag: 'connected', sinceMs: Date.now(), sessionPresent, unansweredSinceMs: undefined })
  }

  /** QoS 0, so that none of these messages wait in the session while we are away. */
  function observe(): void {
    if (options.observed === undefined || options.observed.length === 0) return
    client.subscribeAsync([...options.observed], { qos: 0 }).catch((error: unknown) => {
      log.info('the broker says nothing of itself', { broker: broker.address, error: String(error) })
    })
  }

  function take(from: Connection, packets: Parameters<TakePublishes>[0], bytes: number, acknowledge: () => void): void {
    const count = packets.publishes.length
    heard = true
    if (phase !== 'running') {
      left += count
      return
    }
    publishes += count
    flow.take(count, bytes)
    void handle()

    async function handle(): Promise<void> {
      try {
        await handler(packets.publishes)
        acknowledge()
      } catch (error) {
        // Without this batch's PUBACKs no later ones may be sent. Only a new connection makes the
        // broker send the batch again.
        from.stream.destroy(new ConnectorError('MQTT_HANDLER', false, `handling ${count} messages`, error))
      }
      flow.release(count, bytes)
      if (flow.publishes === 0) drained?.()
      connection?.resume()
    }
  }

  /**
   * Pings in place of MQTT.js, so that neither side takes the other for dead. A PINGRESP may be
   * late though the connection is fine: reading is held, or the broker has so much to do that it
   * reads our packets, one a turn, long after they came. Then its publishes show that it lives. On
   * a new connection it would send again everything whose PUBACKs it has not read.
   */
  function stayAlive(): void {
    if (connection?.held) heldAtMs = Date.now()
    const alive = heard || connection?.held === true
    heard = false
    if (!client.connected) return
    if (alive) {
      client.reschedulePing(true)
      client.sendPing()
    }
    noteAnswers()
  }

  function noteAnswers(): void {
    if (state.tag !== 'connected') return
    const [oldest = Number.POSITIVE_INFINITY] = pings
    const late = Date.now() - Math.max(oldest, heldAtMs) >= limits.keepaliveSeconds * 1_000
    if (late === (state.unansweredSinceMs !== undefined)) return
    if (late) log.warn('MQTT broker sends, but does not answer: it is overloaded', { broker: broker.address })
    else log.info('MQTT broker answers again', { broker: broker.address })
    become({ ...state, unansweredSinceMs: late ? oldest : undefined })
  }

  function onClose(): void {
    if (phase !== 'running' || reconnectTimer) return
    if (state.tag === 'connected' && Date.now() - state.sinceMs >= STABLE_MS) failures.count = 0
    if (state.tag === 'connected') log.warn('MQTT connection lost', { broker: broker.address, because: lastError })
    become({ tag: 'connecting', sinceMs: state.tag === 'connecting' ? state.sinceMs : Date.now(), because: lastError })
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
    options.signal?.removeEventListener('abort', onAbort)
    become({ tag: 'stopped', sinceMs: Date.now() })
  }

  return {
    get state() {
      return state
    },
    counters: () => ({ publishes, pubacks, connections, left, outstandingPublishes: flow.publishes, outstandingBytes: flow.bytes }),
    [Symbol.asyncDispose]: stop,
  }
}

/** Whether the promise was fulfilled in time. */
async function within(ms: number, promise: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms)
  })
  try {
    return await Promise.race([promise.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}
