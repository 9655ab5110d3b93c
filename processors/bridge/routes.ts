import { type DeviceId, parseDeviceId, type Topic } from '../contract.ts'
import { topics } from '../topics.ts'

/** A route as configured. */
export interface RouteConfig {
  /** MQTT topic with one level `{device}`, as in `devices/{device}/telemetry`. */
  readonly pattern: string
  readonly carries: 'frames' | 'status'
  /** Kafka topic. */
  readonly topic: Topic
}

export const defaultRoutes: readonly RouteConfig[] = [
  { pattern: 'devices/{device}/telemetry', carries: 'frames', topic: topics.frames },
  { pattern: 'devices/{device}/status', carries: 'status', topic: topics.deviceStatus },
]

export interface Route extends RouteConfig {
  /** Subscription filter: the pattern with `+` for the device. */
  readonly filter: string
  readonly levels: readonly string[]
  readonly deviceLevel: number
}

/**
 * Where the messages of one MQTT topic go. The topic is the only identity that counts: the broker's
 * access list ties it to the device.
 */
export type Destination =
  | { readonly tag: 'device'; readonly route: Route; readonly device: DeviceId; readonly key: Buffer }
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

const DEVICE = '{device}'

/**
 * Reads configured routes.
 * @throws RangeError that names the pattern and what was expected
 */
export function parseRoutes(configs: readonly RouteConfig[]): readonly Route[] {
  const routes = configs.map((config): Route => {
    const levels = config.pattern.split('/')
    const deviceLevel = levels.indexOf(DEVICE)
    const fail = (expected: string): never => {
      throw new RangeError(`route ${JSON.stringify(config.pattern)}: ${expected}`)
    }
    if (deviceLevel < 0 || levels.lastIndexOf(DEVICE) !== deviceLevel) fail(`expected exactly one level ${DEVICE}`)
    if (levels.some((level, index) => index !== deviceLevel && /[+#{}\0]/.test(level)))
      fail(`expected no wildcard and no other part in braces than ${DEVICE}`)
    if (config.pattern.startsWith('$')) fail("expected no topic that starts with $: these are the broker's own")
    return { ...config, levels, deviceLevel, filter: config.pattern.replace(DEVICE, '+') }
  })
  const repeated = routes.find((route, index) => routes.findIndex(({ filter }) => filter === route.filter) !== index)
  if (repeated) throw new RangeError(`route ${JSON.stringify(repeated.pattern)}: expected once, it is there twice`)
  return routes
}

/**
 * A device publishes on the same topic for ever. Its destination, with the key's bytes, is found
 * once.
 */
export type Router = (topic: string) => Destination

/**
 * Remembers topics of devices only: a stranger's topics can be long, and new each time.
 * @param remembered topics kept, of some 300 bytes each; when there are more, all are forgotten,
 *   which costs one look-up each
 */
export function createRouter(routes: readonly Route[], remembered = 100_000): Router {
  const destinations = new Map<string, Destination>()
  // One level more than the longest route has is enough to tell that no route matches.
  const mostLevels = Math.max(0, ...routes.map(({ levels }) => levels.length)) + 1
  return (topic) => {
    const known = destinations.get(topic)
    if (known !== undefined) return known
    const found = findDestination(routes, topic, mostLevels)
    if (found.tag !== 'device') return found
    if (destinations.size >= remembered) destinations.clear()
    destinations.set(topic, found)
    return found
  }
}

function findDestination(routes: readonly Route[], topic: string, mostLevels: number): Destination {
  if (topic === DROPPED_BY_BROKER || topic === UPTIME_OF_BROKER) return { tag: 'broker' }
  const levels = topic.split('/', mostLevels)
  const route = routes.find(
    (each) =>
      each.levels.length === levels.length && each.levels.every((level, index) => index === each.deviceLevel || level === levels[index]),
  )
  if (route === undefined) return { tag: 'no-route' }
  const text = levels[route.deviceLevel] ?? ''
  const device = parseDeviceId(text)
  if (device === undefined) return { tag: 'no-device', text }
  return { tag: 'device', route, device, key: Buffer.from(device) }
}
