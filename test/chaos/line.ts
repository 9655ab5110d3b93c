import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { projectRoot } from '../../schemas/files.ts'
import { type Brokers, openBrokers } from './brokers.ts'
import { HIVE_ACCOUNT, HIVES, RULES, SILENCE_RULE, SILENT_AFTER } from './hives.ts'
import { type LimitedDisk, mountLimitedDisk } from './limited-disk.ts'
import { type FaultyConnections, joinProxies, openProxy } from './proxy.ts'
import type { Link } from './schedule.ts'
import { configuration, createServices, type Services } from './services.ts'
import type { Settings } from './settings.ts'
import { createStack, kafkaBrokers, type Stack } from './stack.ts'

const run = promisify(execFile)

/** The whole line on a stack of its own, with a proxy in every connection. */
export interface Line {
  readonly stack: Stack
  readonly services: Services
  readonly proxies: Readonly<Record<Link, FaultyConnections>>
  readonly brokers: Brokers
  /** Where the telemetry database's tables are; undefined if no filesystem could be mounted. */
  readonly disk: LimitedDisk | undefined
  /** For the run's files: logs of services, ledgers. */
  readonly directory: string
  /** Address of the broker for devices, through their proxy. */
  readonly deviceUrl: string
  /** Addresses without a proxy, for the checks; of the databases, those of the primary of now. */
  readonly direct: {
    readonly mqttUrl: string
    readonly telemetryUrl: string
    readonly appUrl: string
    readonly kafkaBrokers: readonly string[]
    readonly registryUrl: string
  }
  provision(devices: readonly string[]): Promise<void>
  /** Runs `millrace` with the line's addresses; what it prints. */
  millrace(...args: readonly string[]): Promise<string>
}

export interface LineOptions {
  readonly settings: Settings
  readonly sessionTimeoutMs: number
  readonly say: (line: string) => void
  /** Asked at the end: whether the stack's data and logs stay. */
  readonly keep: () => boolean
  /**
   * Put what must be undone here as it is done: a start that fails halfway leaves nothing behind.
   */
  readonly undo: (action: () => Promise<void>) => void
}

const MOST_OUTPUT_BYTES = 256 << 20
/** What those say to the databases who hear of changes. */
const LISTENS = 'LISTEN '

/** Starts from nothing: an instance that an earlier run left is destroyed. */
export async function openLine({ settings, sessionTimeoutMs, say, keep, undo }: LineOptions): Promise<Line> {
  const parts = [
    ...kafkaBrokers.slice(0, settings.kafkaNodes),
    'registry',
    'mosquitto',
    'postgres',
    ...(settings.standby ? ['standby' as const] : []),
  ] as const
  const brokers = await openBrokers(settings)
  undo(async () => {
    await brokers[Symbol.asyncDispose]()
  })
  const stack = createStack(settings, brokers.env)
  const [devices, bridge] = [await openProxy(stack.ports.mqtt), await openProxy(stack.ports.mqtt)]
  const databases = [await openProxy(stack.ports.postgres, LISTENS)]
  if (settings.standby) databases.push(await openProxy(stack.ports.standby, LISTENS))
  undo(async () => {
    for (const proxy of [devices, bridge, ...databases]) await proxy[Symbol.asyncDispose]()
  })
  await stack.destroy()
  // Beside the instance, which is removed at the end.
  const directory = `${settings.local}-run`
  mkdirSync(directory, { recursive: true })
  // PID files stay: by them, services are ended that a killed run left behind.
  for (const name of readdirSync(directory)) if (!name.endsWith('.pid')) rmSync(join(directory, name), { recursive: true })

  say('starting the stack')
  undo(async () => {
    if (keep()) await stack.kill(...parts)
    else await stack.destroy()
  })
  // A standby on the same machine would have the same tablespace.
  const disk = settings.standby ? undefined : await mountLimitedDisk(`/var/lib/millrace/chaos-${settings.portOffset}`, 'postgres')
  undo(async () => {
    await stack.kill('postgres')
    await disk?.[Symbol.asyncDispose]()
  })
  await brokers.limitDisk()
  await stack.start(...parts)
  if (disk !== undefined) await keepTelemetryOn(disk.path, stack.ports.postgres)

  const database = (name: string, user = 'millrace'): string => {
    const servers = databases.map(({ port }) => `127.0.0.1:${port}`).join(',')
    return `postgres://${user}@${servers}/${name}${settings.standby ? '?target_session_attrs=read-write' : ''}`
  }
  const ofPrimary = (name: string): string => `postgres://millrace@127.0.0.1:${stack.ports[stack.primary]}/${name}`
  const direct = {
    mqttUrl: `mqtt://127.0.0.1:${stack.ports.mqtt}`,
    get telemetryUrl() {
      return ofPrimary('telemetry')
    },
    get appUrl() {
      return ofPrimary('app')
    },
    kafkaBrokers: brokers.direct,
    registryUrl: `http://127.0.0.1:${stack.ports.registry}/apis/ccompat/v7`,
  }
  const env = {
    ...process.env,
    MILLRACE_LOCAL: settings.local,
    MILLRACE_CONFIG: join(directory, 'millrace.yaml'),
    MQTT_URL: `mqtt://127.0.0.1:${bridge.port}`,
    MQTT_PASSWORD_FILE: join(settings.local, 'data', 'mosquitto', 'bridge.password'),
    KAFKA_BROKERS: brokers.addresses,
    REGISTRY_URL: direct.registryUrl,
    TELEMETRY_DATABASE_URL: database('telemetry'),
    APP_DATABASE_URL: database('app'),
    TELEMETRY_STORE_URL: database('telemetry', 'millrace_store'),
    TELEMETRY_PROCESSES_URL: database('telemetry', 'millrace_processes'),
    APP_STORE_URL: database('app', 'millrace_store'),
    APP_PROCESSES_URL: database('app', 'millrace_processes'),
  }
  const millrace = async (...args: readonly string[]): Promise<string> => {
    const command = ['--enable-source-maps', `${projectRoot}dist/bin/millrace.js`, ...args]
    return (await run(process.execPath, command, { env, maxBuffer: MOST_OUTPUT_BYTES })).stdout
  }
  writeFileSync(env.MILLRACE_CONFIG, configuration(settings.backend))
  await millrace('migrate')
  await millrace('schemas', 'register')

  const services = createServices({
    directory,
    env,
    configuration: configuration(settings.backend),
    sessionTimeoutMs,
    firstMetricsPort: 9464 + settings.portOffset,
  })
  undo(async () => {
    await services[Symbol.asyncDispose]()
  })
  return {
    stack,
    services,
    proxies: { devices, bridge, kafka: brokers.clients, databases: joinProxies(databases) },
    brokers,
    disk,
    directory,
    deviceUrl: `mqtt://127.0.0.1:${devices.port}`,
    direct,
    millrace,
    async provision(devices) {
      await millrace('devices', 'add', '--account', 'chaos', '--site', 'orchard', ...devices)
      await millrace('devices', 'add', '--account', HIVE_ACCOUNT, ...HIVES)
      await millrace('devices', 'silent-after', SILENT_AFTER, ...HIVES)
      for (const rule of [...RULES, SILENCE_RULE]) await millrace('alerts', 'rules', 'add', ...rule, '--account', HIVE_ACCOUNT)
    },
  }
}

/**
 * New tables, and TimescaleDB's chunks after them, go to the filesystem that can be full; the WAL
 * and the app database do not.
 */
async function keepTelemetryOn(path: string, port: number): Promise<void> {
  const client = new pg.Client(`postgres://postgres@127.0.0.1:${port}/postgres`)
  await client.connect()
  try {
    await client.query(`CREATE TABLESPACE limited LOCATION '${path}'`)
    await client.query('GRANT CREATE ON TABLESPACE limited TO millrace')
    await client.query('ALTER DATABASE telemetry SET default_tablespace = limited')
  } finally {
    await client.end()
  }
}
