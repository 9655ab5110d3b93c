import { networkInterfaces } from 'node:os'
import { clusterSettings } from '../../connectors/kafka/broker-settings.ts'
import { openAdmin } from '../../connectors/kafka/client.ts'
import { serverSettings } from '../../connectors/postgres/server-settings.ts'
import { serversOf } from '../../connectors/postgres/servers.ts'
import { openSession } from '../../connectors/postgres/session.ts'
import type { Config } from '../../services/config.ts'
import { appOwner, telemetryOwner } from '../../services/database-users.ts'
import { declaredServices } from '../../services/declared.ts'
import { kafkaClient, wantedTopics } from '../../services/kafka.ts'
import { readCpu } from './facts/cpu.ts'
import { fileSystemOf } from './facts/disks.ts'
import type { DatabaseServer, Facts, Place, Seen, Workload } from './facts/facts.ts'
import { readMemory } from './facts/memory.ts'
import { readNetwork } from './facts/network.ts'
import { readSystem } from './facts/system.ts'
import type { Machine } from './machine.ts'
import { measureSync } from './measure-sync.ts'
import { databasePlaces, kafkaPlaces } from './places.ts'

const ASK_MS = 5_000

export interface GatherOptions {
  readonly config: Config
  readonly machine: Machine
  /** Folder to measure in; otherwise that of the database's data, if it is here. */
  readonly folder: string | undefined
  /** 0 measures nothing. */
  readonly measureMs: number
  /** Whether servers are asked: of a copy of another machine there are none. */
  readonly ask: boolean
}

/** Looks at the machine and asks the servers. What cannot be seen is part of the facts. */
export async function gather(options: GatherOptions): Promise<Facts> {
  const { config, machine, ask } = options
  const [databases, kafka] = ask ? await Promise.all([seen(() => askDatabases(config)), seen(() => askKafka(config))]) : [unasked, unasked]
  const found = [
    ...(databases.tag === 'seen' ? databases.value.filter(({ local }) => local).map((server) => databasePlaces(machine, server)) : []),
    ...(kafka.tag === 'seen' && kafka.value.local ? [kafkaPlaces(machine, kafka.value.brokers)] : []),
  ]
  const places = found.flatMap((each) => each.places)
  return {
    cpu: readCpu(machine),
    memory: await readMemory(machine),
    network: readNetwork(machine),
    system: await readSystem(machine, new URL(config.env.MQTT_URL).port || '1883'),
    places,
    hiddenPlaces: found.flatMap((each) => each.hidden),
    sync: measured(options, places),
    databases: databases.tag === 'seen' ? { tag: 'seen', value: databases.value.map((server) => withDisk(server, places)) } : databases,
    kafka,
    workload: await workloadOf(config),
  }
}

const unasked = { tag: 'unseen', why: 'servers are not asked about a copy of another machine' } as const

async function seen<Value>(look: () => Promise<Value>): Promise<Seen<Value>> {
  try {
    return { tag: 'seen', value: await look() }
  } catch (cause) {
    return { tag: 'unseen', why: cause instanceof Error ? cause.message : String(cause) }
  }
}

/** Both databases are on one server as a rule; then it is asked once. */
async function askDatabases(config: Config): Promise<readonly DatabaseServer[]> {
  const servers = new Map<string, { readonly url: string; readonly databases: string[] }>()
  for (const url of [telemetryOwner(config), appOwner(config)]) {
    const places = serversOf(url).urls.map((each) => new URL(each))
    const hosts = places.map(({ host }) => host).join(',')
    const server = servers.get(hosts) ?? { url, databases: [] }
    server.databases.push(places[0]?.pathname.slice(1) ?? '')
    servers.set(hosts, server)
  }
  return await Promise.all(
    [...servers.values()].map(async ({ url, databases }) => {
      const session = await openSession({ url, applicationName: 'millrace doctor', statementTimeoutMs: ASK_MS })
      try {
        return {
          databases: databases.join(', '),
          // Of several servers, any of them may have been asked.
          local: serversOf(url).urls.every((each) => isHere(new URL(each).hostname)),
          settings: await serverSettings(session),
          disk: undefined,
        }
      } finally {
        await session.close()
      }
    }),
  )
}

async function askKafka(config: Config) {
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
  await using admin = openAdmin(kafkaClient(config, 'millrace-doctor', silent), { retries: 1 })
  const topics = wantedTopics(config, await declaredServices(config)).map(({ topic }) => topic)
  const cluster = await clusterSettings(admin, topics)
  return { ...cluster, local: cluster.brokers.some(({ host }) => isHere(host)) }
}

/** Whether an address is one of this machine's own. A name is taken for another machine's. */
function isHere(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1')
  if (bare === 'localhost' || bare === '') return true
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === bare))
}

function withDisk(server: DatabaseServer, places: readonly Place[]): DatabaseServer {
  const disks = places.find(({ use, server: of }) => use === 'database' && of === server.databases)?.fileSystem?.disks ?? []
  const [kind, ...others] = [...new Set(disks.map((disk) => disk.kind))]
  return { ...server, disk: others.length === 0 ? kind : undefined }
}

function measured({ machine, folder, measureMs }: GatherOptions, places: readonly Place[]): Facts['sync'] {
  if (measureMs === 0) return { tag: 'unseen', why: 'it was not measured (--no-measure)' }
  const place = folder ?? (places.find(({ use }) => use === 'wal') ?? places.find(({ use }) => use === 'database'))?.path
  if (place === undefined) return { tag: 'unseen', why: 'no folder of a database is seen here: name one on its disk with --folder' }
  try {
    return { tag: 'seen', value: { ...measureSync(place, measureMs), folder: place, fileSystem: fileSystemOf(machine, place) } }
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === undefined) throw cause
    return { tag: 'unseen', why: `nothing can be written to ${place} (${message}): name another folder on its disk with --folder` }
  }
}

async function workloadOf(config: Config): Promise<Workload> {
  const { topics, storage } = config
  return {
    services: (await declaredServices(config)).map(({ name }) => name),
    partitions: topics.partitions,
    retentionHours: topics.retention_hours,
    maxMessageBytes: topics.max_message_bytes,
    retentionDays: storage.retention_days.readings,
  }
}
