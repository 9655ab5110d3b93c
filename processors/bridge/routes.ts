import { parseTopicPattern, type TopicPattern, TopicPatternError } from '../../schemas/topic-pattern.ts'
import { type DeviceId, parseDeviceId, type Topic } from '../contract.ts'
import { topics } from '../topics.ts'
import type { CompiledDialect, DialectStatus } from '../translate/translation.ts'
import { covers } from './subscriptions.ts'

/** A route as configured. */
export interface RouteConfig {
  /** MQTT topic with captures, as in `devices/{device}/telemetry`. */
  readonly pattern: string
  /** `raw`: whatever comes, for a dialect to translate. */
  readonly carries: 'frames' | 'raw' | 'status'
}

export const defaultRoutes: readonly RouteConfig[] = [
  { pattern: 'devices/{device}/telemetry', carries: 'frames' },
  { pattern: 'devices/{device}/status', carries: 'status' },
]

export interface Route extends RouteConfig {
  /** Kafka topic of what is not raw. */
  readonly topic: Topic
  /** Subscription filter. It may take topics that the pattern does not. */
  readonly filter: string
  readonly parsed: TopicPattern
}

/** What the bridge must know of a dialect. */
export type RoutedDialect = Pick<CompiledDialect, 'topics' | 'match' | 'key' | 'status'>

/**
 * Where the messages of one MQTT topic go. The topic is the only identity that counts: the broker's
 * access list ties it to the device.
 */
export type Destination =
  | { readonly tag: 'device'; readonly route: Route; readonly device: DeviceId; readonly key: Buffer }
  /** Untouched, for a dialect. */
  | { readonly tag: 'raw'; readonly identity: string; readonly key: Buffer }
  /** A status as a dialect reads it. */
  | {
      readonly tag: 'dialect-status'
      readonly identity: string
      readonly key: Buffer
      readonly read: (payload: Buffer) => ReturnType<DialectStatus['read']>
    }
  | { readonly tag: 'no-route' }
  /** A figure about the broker itself. */
  | { readonly tag: 'broker' }
  | { readonly tag: 'no-device'; readonly text: string }

/**
 * Topic of how many messages the broker has dropped since it started because a queue had no room,
 * for all clients together. Mosquitto has it; other brokers do not.
 */
export const DROPPED_BY_BROKER = '$SYS/broker/publish/messages/dropped'

/** Topic of how long the broker has been running, as Mosquitto has it. */
export const UPTIME_OF_BROKER = '$SYS/broker/uptime'

const DEVICE = 'device'
const WRITTEN: Readonly<Record<RouteConfig['carries'], Topic>> = { frames: topics.frames, raw: topics.raw, status: topics.deviceStatus }

/**
 * Reads configured routes.
 * @throws RangeError that names the pattern and what was expected
 */
export function parseRoutes(configs: readonly RouteConfig[]): readonly Route[] {
  const routes = configs.map((config): Route => {
    const fail = (expected: string): never => {
      throw new RangeError(`route ${JSON.stringify(config.pattern)}: ${expected}`)
    }
    const parsed = parsePattern(config.pattern, fail)
    if (config.carries !== 'raw' && !parsed.names.includes(DEVICE)) fail(`expected {${DEVICE}} in it: the device, for ${config.carries}`)
    return { ...config, parsed, filter: parsed.filter, topic: WRITTEN[config.carries] }
  })
  const repeated = routes.find((route, index) => routes.findIndex(({ pattern }) => pattern === route.pattern) !== index)
  if (repeated) throw new RangeError(`route ${JSON.stringify(repeated.pattern)}: expected once, it is there twice`)
  return routes
}

function parsePattern(text: string, fail: (expected: string) => never): TopicPattern {
  try {
    return parseTopicPattern(text)
  } catch (cause) {
    if (!(cause instanceof TopicPatternError)) throw cause
    return fail(cause.message.replace(/^topic .*?: (?=expected)/, ''))
  }
}

/** Filters of the topics and states of dialects. */
export function dialectFilters(dialects: readonly RoutedDialect[]): readonly string[] {
  return dialects.flatMap(({ topics: own, status }) =>
    [...own, ...(status === undefined ? [] : [status.topic])].map(({ filter }) => filter),
  )
}

/**
 * A device publishes on the same topic for ever. Its destination, with the key's bytes, is found
 * once.
 */
export type Router = (topic: string) => Destination

/** A stranger's topic may take 65,535 bytes; longer ones than this are not remembered. */
const MOST_REMEMBERED_CHARACTERS = 200

/**
 * The first route that takes a topic counts, then the first dialect. A route must have its topics
 * to itself to be sure of them.
 *
 * Remembers topics that are taken only: a stranger's topics are new each time.
 * @param remembered topics kept, of some 300 bytes each; when there are more, all are forgotten,
 *   which costs one look-up each
 */
export function createRouter(routes: readonly Route[], dialects: readonly RoutedDialect[] = [], remembered = 100_000): Router {
  const destinations = new Map<string, Destination>()
  return (topic) => {
    const known = destinations.get(topic)
    if (known !== undefined) return known
    const found = findDestination(routes, dialects, topic)
    if (found.tag === 'no-route' || found.tag === 'no-device' || topic.length > MOST_REMEMBERED_CHARACTERS) return found
    if (destinations.size >= remembered) destinations.clear()
    destinations.set(topic, found)
    return found
  }
}

function findDestination(routes: readonly Route[], dialects: readonly RoutedDialect[], topic: string): Destination {
  if (topic === DROPPED_BY_BROKER || topic === UPTIME_OF_BROKER) return { tag: 'broker' }
  for (const route of routes) {
    const captures = route.parsed.match(topic)
    if (captures === undefined) continue
    if (route.carries === 'raw') return raw(captures[DEVICE] ?? topic)
    const text = captures[DEVICE] ?? ''
    const device = parseDeviceId(text)
    return device === undefined ? { tag: 'no-device', text } : { tag: 'device', route, device, key: Buffer.from(device) }
  }
  for (const dialect of dialects) {
    const { status } = dialect
    const ofStatus = status?.topic.match(topic)
    if (status !== undefined && ofStatus !== undefined) {
      return { tag: 'dialect-status', ...keyed(dialect.key(topic, ofStatus)), read: (payload) => status.read(payload, ofStatus) }
    }
    const captures = dialect.match(topic)
    if (captures !== undefined) return raw(dialect.key(topic, captures))
  }
  // A pattern takes no empty level. In the place of a device it is a bad name of one.
  const hasEmptyLevel = topic.length <= MOST_REMEMBERED_CHARACTERS && topic.split('/').includes('')
  if (hasEmptyLevel && routes.some(({ carries, filter }) => carries !== 'raw' && covers(filter, topic)))
    return { tag: 'no-device', text: '' }
  return { tag: 'no-route' }
}

function raw(identity: string): Destination {
  return { tag: 'raw', ...keyed(identity) }
}

/** A topic may be longer than any key that Kafka should hold. No name of a device or gateway is. */
const MOST_KEY_CHARACTERS = 256

function keyed(text: string): { readonly identity: string; readonly key: Buffer } {
  const identity = text.slice(0, MOST_KEY_CHARACTERS)
  return { identity, key: Buffer.from(identity) }
}

/** Whose order, rate and waiting a message is subject to; undefined if it is nobody's. */
export function identityOf(to: Destination): string | undefined {
  if (to.tag === 'device') return to.device
  return to.tag === 'raw' || to.tag === 'dialect-status' ? to.identity : undefined
}
