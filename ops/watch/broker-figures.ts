import { readUptime } from '../../processors/bridge/session.ts'
import { type Figure, figure, type WatchMetricName } from './metrics.ts'

/** What Mosquitto tells about itself, and the metric that it is. */
const TOPICS: Readonly<Record<string, readonly [WatchMetricName, ...string[]]>> = {
  'clients/connected': ['millrace_broker_clients', 'connected'],
  'clients/disconnected': ['millrace_broker_clients', 'disconnected'],
  'publish/messages/received': ['millrace_broker_publishes_total', 'received'],
  'publish/messages/sent': ['millrace_broker_publishes_total', 'sent'],
  'publish/messages/dropped': ['millrace_broker_publishes_total', 'dropped'],
  'publish/bytes/received': ['millrace_broker_publish_bytes_total', 'received'],
  'publish/bytes/sent': ['millrace_broker_publish_bytes_total', 'sent'],
  'store/messages/count': ['millrace_broker_stored_messages'],
  'store/messages/bytes': ['millrace_broker_stored_bytes'],
  'retained messages/count': ['millrace_broker_retained_messages'],
  'heap/current': ['millrace_broker_memory_bytes'],
  uptime: ['millrace_broker_uptime_seconds'],
}

const PREFIX = '$SYS/broker/'
/** What to subscribe to. */
export const BROKER_TOPICS = `${PREFIX}#`

/** The figure in a message of the broker about itself; undefined if it is another one. */
export function brokerFigure(topic: string, payload: Buffer): Figure | undefined {
  const name = topic.slice(PREFIX.length)
  const known = topic.startsWith(PREFIX) && Object.hasOwn(TOPICS, name) ? TOPICS[name] : undefined
  if (known === undefined) return undefined
  const [metric, ...values] = known
  const text = payload.toString('latin1')
  const value = name === 'uptime' ? readUptime(text) : /^\d{1,15}$/.test(text) ? Number(text) : undefined
  return value === undefined ? undefined : figure(metric, values, value)
}
