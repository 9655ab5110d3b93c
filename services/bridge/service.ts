import { readFileSync } from 'node:fs'
import { createKafkaClock } from '../../connectors/kafka/clock.ts'
import { parseBroker, type TlsOptions } from '../../connectors/mqtt/dial.ts'
import { createSubscriber, type SessionState } from '../../connectors/mqtt/subscriber.ts'
import { createDatabaseClock } from '../../connectors/postgres/clock.ts'
import { openFirmwareDirectory } from '../../connectors/registry/firmware-directory.ts'
import { createBridgeCounters } from '../../processors/bridge/counters.ts'
import { DROPPED_BY_BROKER, UPTIME_OF_BROKER } from '../../processors/bridge/routes.ts'
import type { Topic } from '../../processors/contract.ts'
import { deadTopic, topics } from '../../processors/topics.ts'
import { readFirmwares, readSchema } from '../../schemas/files.ts'
import type { Firmware } from '../../schemas/firmware.ts'
import { deviceStatusSchema } from '../../schemas/generated/device-status.ts'
import { bridgeRoutes, type Config, ConfigError } from '../config.ts'
import { deadLetterLimits } from '../dead-letters.ts'
import { kafkaClient } from '../kafka.ts'
import { counter, counterByReason, gauge, processMetrics } from '../metrics.ts'
import { registeredId } from '../registered.ts'
import { firmwareOptions, schemaMetrics, schemaWatch } from '../schema-registry.ts'
import { openSending } from '../sending.ts'
import type { Service, ServiceContext } from '../service.ts'
import { version } from '../version.ts'
import { createWaiting } from '../waiting.ts'
import { createClockGuard } from './clock-guard.ts'
import { createBridge } from './handler.ts'
import type { RateLimitOptions } from './rate-limit.ts'
import { createSessionMemory } from './session-memory.ts'
import { createSessionWatch } from './session-watch.ts'

/**
 * Every hop after the bridge carries the frame in one Kafka record: this is what Kafka takes by
 * default, less the record's own overhead.
 */
const LARGEST_FRAME_BYTES = 900_000
const JSON_FIRMWARE = 'generic-json'
const DEFAULT_USER = 'millrace-bridge'

/** The firmware that JSON messages are encoded as. */
export function jsonFirmware(): Firmware {
  const generic = readFirmwares().find(({ firmware }) => firmware.id === JSON_FIRMWARE)?.firmware
  if (generic === undefined) throw new ConfigError(`schemas/firmware/${JSON_FIRMWARE}.avsc is missing: JSON is encoded with it`)
  return generic
}

/**
 * What the bridge forwards at most, and the largest dead letter: an existing topic may take less
 * than the configuration says of new ones.
 */
export function bridgeLimits(
  { bridge }: Config,
  limits: ReadonlyMap<Topic, number>,
): { readonly payloadBytes: number; readonly frameBytes: number; readonly deadLetterBytes: number } {
  const frameBytes = Math.min(LARGEST_FRAME_BYTES, limits.get(topics.frames) ?? 0)
  const statusBytes = limits.get(topics.deviceStatus) ?? 0
  return {
    payloadBytes: Math.min(bridge.max_payload_bytes, frameBytes, statusBytes),
    frameBytes,
    deadLetterBytes: limits.get(deadTopic('bridge')) ?? 0,
  }
}

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
  const { config, log, signal, metrics, health } = context
  const { bridge, env } = config
  const routes = bridgeRoutes(config)
  const generic = jsonFirmware()
  const schemas = firmwareOptions(config, log, signal)
  const { registry } = schemas
  const waiting = createWaiting({ config, log, signal, health })
  const directory = await waiting.during(
    'reading schemas',
    ['REGISTRY_URL'],
    openFirmwareDirectory({ ...schemas, problem: schemaWatch(health).problem }),
  )
  const dead = deadTopic('bridge')
  const kafka = kafkaClient(config, 'millrace-bridge', log)
  const sending = await openSending({
    context,
    part: 'millrace_bridge',
    kafka,
    waiting,
    to: [topics.frames, topics.deviceStatus, topics.bridgeSession, dead],
  })
  const { producer, limits, counters: sent } = sending
  const counters = createBridgeCounters()
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
  const handler = createBridge({
    routes,
    directory,
    producer,
    generic,
    deviceStatus: {
      schema: deviceStatusSchema.json,
      schemaId: await waiting.until('registering schemas', ['REGISTRY_URL'], () =>
        registeredId(registry, topics.deviceStatus, deviceStatusSchema),
      ),
    },
    deadLetterSchema: {
      schema: readSchema('dead-letter').json,
      schemaId: await waiting.until('registering schemas', ['REGISTRY_URL'], () => registeredId(registry, dead, readSchema('dead-letter'))),
    },
    ...bridgeLimits(config, limits),
    rateLimit: rateLimit(config),
    overRateDeadLetters: deadLetterLimits(config),
    unknownWaitMs: bridge.unknown_fingerprint_wait_ms,
    version,
    log,
    counters,
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
  // Until then the broker refuses what devices publish, for nobody is subscribed.
  health.set('mqtt', `session is connecting to ${address}`)
  let connectedAtMs: number | undefined
  const subscriber = createSubscriber({
    url: env.MQTT_URL,
    ...bridgeUser(env),
    tls: tlsOptions(env),
    clientId: bridge.client_id,
    filters: routes.map(({ filter }) => filter),
    observed: [DROPPED_BY_BROKER, UPTIME_OF_BROKER],
    handler: clock.guard(handler),
    log,
    signal,
    limits: { receiveMaximum: bridge.receive_maximum, sessionExpirySeconds: bridge.session_expiry_seconds },
    onState: (state) => {
      health.set('mqtt', problemOf(address, state))
      // It is told of the same session again when the broker becomes slow, or quick.
      if (state.tag === 'connected' && state.sinceMs !== connectedAtMs) {
        connectedAtMs = state.sinceMs
        void session.connected(state.sessionPresent)
      }
      if (state.tag === 'connecting') session.disconnected()
    },
    onTakenOver: (said) => session.takenOver(said),
  })

  processMetrics(metrics)
  schemaMetrics(metrics, 'millrace_bridge', directory)
  counter(metrics, 'millrace_bridge_frames_total', 'Frames forwarded as they came.', () => counters.frames)
  counter(metrics, 'millrace_bridge_json_total', 'JSON messages forwarded as frames.', () => counters.json)
  counter(metrics, 'millrace_bridge_delayed_total', "Messages that waited for their device's rate limit.", () => counters.delayed)
  counter(metrics, 'millrace_bridge_parked_total', 'Messages that waited for their schema.', () => counters.parked)
  counter(metrics, 'millrace_bridge_statuses_total', 'Births and last wills forwarded.', () => counters.statuses)
  counter(metrics, 'millrace_bridge_payload_bytes_total', 'Bytes of all messages received.', () => counters.payloadBytes)
  counter(metrics, 'millrace_bridge_pubacks_total', 'Messages acknowledged to the broker.', () => subscriber.counters().pubacks)
  counter(metrics, 'millrace_bridge_connections_total', 'Sessions opened or resumed.', () => subscriber.counters().connections)
  counter(metrics, 'millrace_bridge_send_retries_total', 'Requests to Kafka that had to be sent again.', () => sent.retries)
  gauge(
    metrics,
    'millrace_bridge_outstanding_messages',
    'Messages received and not yet acknowledged.',
    () => subscriber.counters().outstandingPublishes,
  )
  gauge(
    metrics,
    'millrace_bridge_outstanding_bytes',
    'Bytes received and not yet acknowledged.',
    () => subscriber.counters().outstandingBytes,
  )
  gauge(
    metrics,
    'millrace_bridge_clock_ahead_of_kafka_seconds',
    "By how much this machine's clock is ahead of Kafka's; NaN while that is not known.",
    () => clock.aheadOf('Kafka') / 1000,
  )
  gauge(
    metrics,
    'millrace_bridge_clock_ahead_of_database_seconds',
    "By how much this machine's clock is ahead of the app database's; NaN while that is not known.",
    () => clock.aheadOf('the app database') / 1000,
  )
  counter(
    metrics,
    'millrace_bridge_unkept_total',
    "Messages over their device's rate, of which no dead letter keeps the bytes.",
    () => counters.unkept,
  )
  counter(
    metrics,
    'millrace_bridge_lost_sessions_total',
    'Sessions that were to be there and were not: what the broker had queued is gone.',
    () => session.counters.lost,
  )
  counter(
    metrics,
    'millrace_bridge_session_takeovers_total',
    "Times that another client connected with the bridge's client ID.",
    () => session.counters.takeovers,
  )
  counter(
    metrics,
    'millrace_bridge_broker_restarts_total',
    'Connections that the broker ended without a word, and took again at once, as it was restarted.',
    () => session.counters.restarts,
  )
  counter(
    metrics,
    'millrace_bridge_unexplained_endings_total',
    "Connections that the broker ended without a word, and took again at once: a restart, or another client with the bridge's client ID. It does not say its uptime.",
    () => session.counters.unexplained,
  )
  counter(
    metrics,
    'millrace_bridge_broker_dropped_messages_total',
    'Messages that the broker says it has dropped, as queues had no room, since the last bridge looked.',
    () => session.counters.brokerDropped,
  )
  counterByReason(metrics, 'millrace_bridge_rejected_total', 'Dead letters.', () => Object.entries(counters.dead))
  counterByReason(metrics, 'millrace_bridge_dropped_total', 'Messages left out on purpose.', () => Object.entries(counters.dropped))

  return {
    failed: sending.failed,
    stop: async () => {
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

function tlsOptions({ MQTT_CA_FILE: ca, MQTT_CERT_FILE: cert, MQTT_KEY_FILE: key }: Config['env']): TlsOptions {
  return {
    ...(ca === undefined ? {} : { ca: readFileSync(ca) }),
    ...(cert === undefined ? {} : { cert: readFileSync(cert) }),
    ...(key === undefined ? {} : { key: readFileSync(key) }),
  }
}
