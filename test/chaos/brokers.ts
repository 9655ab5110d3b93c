import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { type LimitedDisk, mountLimitedDisk } from './limited-disk.ts'
import { type FaultyConnections, type FaultyProxy, joinProxies, openProxy } from './proxy.ts'
import type { Settings } from './settings.ts'
import { type KafkaBroker, kafkaBrokers } from './stack.ts'

/** Kafka's brokers, with proxies before them: one, or three of which each can be cut off. */
export interface Brokers extends AsyncDisposable {
  /** Variables of deploy/local. */
  readonly env: Readonly<Record<string, string>>
  readonly names: readonly KafkaBroker[]
  /** Where clients find them, through their proxies: as in KAFKA_BROKERS. */
  readonly addresses: string
  /** The same without proxies. Kafka tells even those who come so of the proxies. */
  readonly direct: readonly string[]
  /** The connections of all clients. */
  readonly clients: FaultyConnections
  /** The disk of the last of three; undefined if no filesystem could be mounted. */
  readonly disk: LimitedDisk | undefined
  /** Nothing passes between this one of three and the others, nor clients if so wanted. */
  cut(broker: KafkaBroker, from: 'everybody' | 'brokers'): void
  mend(broker: KafkaBroker): void
  /** Puts the last broker's data on the disk that can be full. Call it before the first start. */
  limitDisk(): Promise<void>
}

/** Ports as deploy/local has them. */
const PORTS: Readonly<Record<KafkaBroker, { readonly clients: number; readonly brokers: number }>> = {
  kafka: { clients: 9092, brokers: 9094 },
  kafka2: { clients: 9095, brokers: 9097 },
  kafka3: { clients: 9098, brokers: 9100 },
}

export async function openBrokers({ kafkaNodes, portOffset, local }: Settings): Promise<Brokers> {
  const names = kafkaBrokers.slice(0, kafkaNodes)
  const clients = new Map<KafkaBroker, FaultyProxy>()
  const others = new Map<KafkaBroker, FaultyProxy>()
  const env: Record<string, string> = { MILLRACE_KAFKA_NODES: String(kafkaNodes) }
  for (const name of names) {
    const proxy = await openProxy(PORTS[name].clients + portOffset)
    clients.set(name, proxy)
    env[`MILLRACE_${name.toUpperCase()}_ADVERTISED_PORT`] = String(proxy.port)
    if (kafkaNodes === 1) continue
    const internal = await openProxy(PORTS[name].brokers + portOffset)
    others.set(name, internal)
    env[`MILLRACE_${name.toUpperCase()}_INTERNAL_ADVERTISED_PORT`] = String(internal.port)
  }
  let disk: LimitedDisk | undefined
  return {
    env,
    names,
    addresses: [...clients.values()].map(({ port }) => `127.0.0.1:${port}`).join(','),
    direct: names.map((name) => `127.0.0.1:${PORTS[name].clients + portOffset}`),
    clients: joinProxies([...clients.values()]),
    get disk() {
      return disk
    },
    cut(broker, from) {
      others.get(broker)?.stall()
      if (from === 'everybody') clients.get(broker)?.stall()
    },
    mend(broker) {
      others.get(broker)?.resume()
      clients.get(broker)?.resume()
    },
    async limitDisk() {
      if (kafkaNodes === 1) return
      disk = await mountLimitedDisk(`/var/lib/millrace/chaos-${portOffset}-kafka3`, 'root')
      if (disk === undefined) return
      await mkdir(join(local, 'data'), { recursive: true })
      await symlink(disk.path, join(local, 'data', 'kafka3'))
    },
    async [Symbol.asyncDispose]() {
      for (const proxy of [...clients.values(), ...others.values()]) await proxy[Symbol.asyncDispose]()
      await disk?.[Symbol.asyncDispose]()
    },
  }
}
