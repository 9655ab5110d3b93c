import { systemClock } from '../../connectors/clock.ts'
import { createKafkaClock } from '../../connectors/kafka/clock.ts'
import { parseBroker } from '../../connectors/mqtt/dial.ts'
import type { GrantedFilters, WantedFilters } from '../../connectors/mqtt/session-filters.ts'
import { createSubscriber, type SessionState } from '../../connectors/mqtt/subscriber.ts'
import { createDatabaseClock } from '../../connectors/postgres/clock.ts'
import { openFirmwareDirectory } from '../../connectors/registry/firmware-directory.ts'
import { BridgeCounters } from '../../processors/bridge/counters.ts'
import { bridge as declared } from '../../processors/bridge/declaration.ts'
import { createRouter, DROPPED_BY_BROKER, dialectFilters, UPTIME_OF_BROKER } from '../../processors/bridge/routes.ts'
import { NO_IDENTIFIER } from '../../processors/bridge/subscriptions.ts'
import { deadTopic, topics } from '../../processors/topics.ts'
import { deviceStatusSchema } from '../../schemas/generated/device-status.ts'
import { rawSchema } from '../../schemas/generated/raw.ts'
import { bridgeRoutes, type Config } from '../config.ts'
import { openDialects } from '../dialects.ts'
import { kafkaClient } from '../kafka.ts'
import { reportMetrics } from '../metrics.ts'
import { openDeadLetterCodec, registeredId } from '../registered.ts'
import { firmwareOptions, schemaWatch } from '../schema-registry.ts'
import { openSending } from '../sending.ts'
import type { Service, ServiceContext } from '../service.ts'
import { createWaiting } from '../waiting.ts'
import { createClockGuard } from './clock-guard.ts'
import { forwarding } from './forwarding.ts'
import { createBridge } from './handler.ts'
import { startPulse } from './pulse.ts'
import type { RateLimitOptions } from './rate-limit.ts'
import { createSessionMemory } from './session-memory.ts'
import { createSessionWatch } from './session-watch.ts'
import { UNKNOWN_PAGE, unknownPage } from './unknown-page.ts'

const DEFAULT_USER = 'millrace-bridge'
/** How often the broker is asked again for what it refused. */
const REFUSED_AGAIN_MS = 60_000

function rateLimit({ bridge: { rate_limit: limit } }: Config): RateLimitOptions {
  return {
    messagesPerSecond: limit.messages_per_second,
    burst: limit.burst,
    bytesPerSecond: limit.bytes_per_second,
    burstBytes: limit.burst_bytes,
    longestDelayMs: limit.policy === 'delay' ? limit.longest_delay_ms : 0,
  }
}

/** Starts the bridge: MQTT publishes → the same bytes on Kafka. */
export async function bridgeService(context: ServiceContext): Promise<Service> {
  const { config, log, signal, metrics, health, pages } = context
  const { bridge, env } = config
  const routes = bridgeRoutes(config)
  const required = routes.map(({ filter }) => filter)
  const dialects = await openDialects({ config, log, problem: (what) => health.set('dialects', what) })
  let route = createRouter(routes, dialects.current())
  const schemas = firmwareOptions(config, log, signal)
  const { registry } = schemas
  const waiting = createWaiting({ config, log, signal, health })
  const directory = await waiting.during(
    'reading schemas',
    ['REGISTRY_URL'],
    openFirmwareDirectory({ ...schemas, problem: schemaWatch(health).problem }),
  )
  const kafka = kafkaClient(config, 'millrace-bridge', log)
  const sending = await openSending({ context, declared, kafka, waiting })
  const { producer, limits } = sending
  const counters = new BridgeCounters()
  const kafkaClock = createKafkaClock(kafka, topics.clock)
  const databaseClock = createDatabaseClock(env.APP_DATABASE_URL)
  const clock = createClockGuard({
    references: [
      { name: 'Kafka', read: () => kafkaClock.read() },
      { name: 'the app database', read: () => databaseClock.read() },
    ],
    log,
    signal,
    problem: (what) => health.set('clock', what),
  })
  const statusSchemaId = await waiting.until('registering schemas', ['REGISTRY_URL'], () =>
    registeredId(registry, topics.deviceStatus, deviceStatusSchema),
  )
  const codec = await waiting.until('registering schemas', ['REGISTRY_URL'], () => openDeadLetterCodec(registry, deadTopic(declared.name)))
  const rawSchemaId = await waiting.until('registering schemas', ['REGISTRY_URL'], () => registeredId(registry, topics.raw, rawSchema))
  const parts = forwarding({ config, limits, codec, statusSchemaId, rawSchemaId, route: (topic) => route(topic), counters })
  const { unknownTopics } = parts
  const handler = createBridge({
    directory,
    producer,
    forwarding: parts,
    rateLimit: rateLimit(config),
    unknownWaitMs: bridge.unknown_fingerprint_wait_ms,
    log,
  })
  const { address } = parseBroker(env.MQTT_URL)
  const session = createSessionWatch({
    clientId: bridge.client_id,
    broker: address,
    expirySeconds: bridge.session_expiry_seconds,
    memory: createSessionMemory({ kafka, producer, clientId: bridge.client_id, log, signal }),
    dropped: () => counters.brokerDropped,
    uptime: () => counters.brokerUptime,
    health,
    log,
  })
  // Until it is connected nobody is subscribed, and the broker refuses what devices publish.
  health.set('mqtt', `session is connecting to ${address}`)
  let connectedAtMs: number | undefined
  let granted: GrantedFilters = { refused: new Map(), everything: false }
  const wantedFilters = (): WantedFilters => ({
    required,
    optional: dialectFilters(dialects.current()),
    everything: bridge.unknown_topics !== 'ignore',
  })
  const subscriber = createSubscriber({
    url: env.MQTT_URL,
    ...bridgeUser(env),
    tls: { caFile: env.MQTT_CA_FILE, certFile: env.MQTT_CERT_FILE, keyFile: env.MQTT_KEY_FILE },
    clientId: bridge.client_id,
    filters: wantedFilters(),
    // A bridge that did not remember them had those of its configuration.
    subscribedBefore: session
      .subscribedBefore()
      .then((before) => before ?? required.map((filter) => ({ filter, identifier: NO_IDENTIFIER }))),
    rememberSubscribed: (subscriptions) => session.subscribing(subscriptions),
    onFilters: (now) => {
      granted = now
      health.set('subscriptions', refusedProblem(now))
    },
    observed: [DROPPED_BY_BROKER, UPTIME_OF_BROKER],
    handler: clock.guard(handler),
    log,
    signal,
    limits: { receiveMaximum: bridge.receive_maximum, sessionExpirySeconds: bridge.session_expiry_seconds },
    onState: (state) => {
      health.set('mqtt', problemOf(address, state))
      // It is called for the same session again when the broker becomes slow, or quick.
      if (state.tag === 'connected' && state.sinceMs !== connectedAtMs) {
        connectedAtMs = state.sinceMs
        void session.connected(state.sessionPresent)
      }
      if (state.tag === 'connecting') session.disconnected()
    },
    onTakenOver: (said) => session.takenOver(said),
  })
  const pulseWriter = createKafkaClock(kafka, topics.pulse)
  const pulse = startPulse({
    write: () => pulseWriter.read(),
    isForwarding: () => subscriber.state.tag === 'connected' && clock.isOpen() && !required.some((filter) => granted.refused.has(filter)),
    clock: systemClock,
    log,
    problem: (what) => health.set('pulse', what),
  })
  const follow = (): void => {
    // A topic must have its route before its messages come.
    route = createRouter(routes, dialects.current())
    void subscriber.change(wantedFilters())
  }
  dialects.onChange(follow)
  // They may have changed while Kafka or the registry was waited for.
  follow()
  // The broker's access list may have been corrected.
  const retry = setInterval(() => {
    if (granted.refused.size > 0) void subscriber.change(wantedFilters())
  }, REFUSED_AGAIN_MS)
  retry.unref()
  const since = new Date().toISOString()
  pages.add(UNKNOWN_PAGE, () => unknownPage(unknownTopics, { mode: bridge.unknown_topics, everything: granted.everything, since }))

  reportMetrics(metrics, {
    millrace_unknown_topics: () => unknownTopics.size,
    millrace_ignored_schemas: () => directory.ignored(),
    millrace_rejected_total: () => Object.entries(counters.dead),
    millrace_dropped_total: () => Object.entries({ ...counters.dropped, copy: subscriber.counters().copies }),
    millrace_forwarded_messages_total: () => [
      ['frame', counters.frames],
      ['raw', counters.raw],
      ['status', counters.statuses],
    ],
    millrace_payload_bytes_total: () => counters.payloadBytes,
    millrace_pubacks_total: () => subscriber.counters().pubacks,
    millrace_outstanding_messages: () => subscriber.counters().outstandingPublishes,
    millrace_outstanding_bytes: () => subscriber.counters().outstandingBytes,
    millrace_delayed_messages_total: () => counters.delayed,
    millrace_parked_messages_total: () => counters.parked,
    millrace_discarded_messages_total: () => counters.unkept,
    millrace_broker_connected: () => (subscriber.state.tag === 'connected' ? 1 : 0),
    millrace_broker_connections_total: () => subscriber.counters().connections,
    millrace_lost_sessions_total: () => session.counters.lost,
    millrace_session_takeovers_total: () => session.counters.takeovers,
    millrace_broker_restarts_total: () => session.counters.restarts,
    millrace_unexplained_endings_total: () => session.counters.unexplained,
    millrace_broker_dropped_messages_total: () => session.counters.brokerDropped,
    millrace_clock_ahead_seconds: () => [
      ['kafka', clock.aheadOf('Kafka') / 1000],
      ['database', clock.aheadOf('the app database') / 1000],
    ],
  })

  return {
    failed: sending.failed,
    stop: async () => {
      clearInterval(retry)
      await pulse[Symbol.asyncDispose]()
      await pulseWriter[Symbol.asyncDispose]()
      await dialects[Symbol.asyncDispose]()
      await subscriber[Symbol.asyncDispose]()
      await session[Symbol.asyncDispose]()
      await databaseClock[Symbol.asyncDispose]()
      await kafkaClock[Symbol.asyncDispose]()
      await sending[Symbol.asyncDispose]()
      await directory[Symbol.asyncDispose]()
    },
  }
}

/** A session without a user name loses messages when Mosquitto restarts (docs/configuration.md). */
function bridgeUser({ MQTT_URL, MQTT_USERNAME, MQTT_PASSWORD }: Config['env']): { username?: string; password?: string } {
  return {
    ...(MQTT_USERNAME === undefined && new URL(MQTT_URL).username !== '' ? {} : { username: MQTT_USERNAME ?? DEFAULT_USER }),
    ...(MQTT_PASSWORD === undefined ? {} : { password: MQTT_PASSWORD }),
  }
}

/** What is wrong with the session, for health. */
function problemOf(address: string, state: SessionState): string | null {
  if (state.tag === 'stopped') return 'session is stopped'
  if (state.tag === 'connecting') return `session is connecting to ${address}${state.because === undefined ? '' : `: ${state.because}`}`
  if (state.unansweredSinceMs === undefined) return null
  return `the broker is overloaded: it sends, but has not answered since ${new Date(state.unansweredSinceMs).toISOString()}`
}

/** What the broker does not let the bridge read, for health. */
function refusedProblem({ refused }: GrantedFilters): string | null {
  if (refused.size === 0) return null
  const list = [...refused].map(([filter, why]) => `${filter} (${why})`).join(', ')
  return `the broker does not grant every subscription, and what comes on these topics does not reach the bridge: ${list}. See its access list, docs/broker.md`
}
