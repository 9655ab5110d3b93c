import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { migrate } from '../../bin/migrate.ts'
import { registerSchemas } from '../../bin/schemas.ts'
import { createDatabase, type Database } from '../../connectors/postgres/database.ts'
import { provisionDevices } from '../../connectors/postgres/devices.ts'
import { openSession, type Session } from '../../connectors/postgres/session.ts'
import { deviceIds } from '../../ops/fleet/device-ids.ts'
import { destroyLocalStack, startLocalStack } from '../../ops/supervisor/local-stack.ts'
import { awaitHealthy } from '../../ops/supervisor/service-health.ts'
import { GRACE_MS, servicePrograms } from '../../ops/supervisor/service-programs.ts'
import { supervise } from '../../ops/supervisor/supervisor.ts'
import { describeEvent } from '../../ops/supervisor/supervisor-event.ts'
import { WATCH } from '../../ops/watch/declaration.ts'
import { type Config, loadConfig } from '../../services/config.ts'
import { DEFAULT_PROCESSORS } from '../../services/config-shape.ts'
import { declaredServices } from '../../services/declared.ts'
import { localDirectory } from '../../services/local-directory.ts'
import type { Profile } from './profile.ts'

/** A whole line of its own, with the profile's devices, and a session on its telemetry database. */
export interface Line extends AsyncDisposable {
  readonly config: Config
  /** The instance's directory. */
  readonly local: string
  readonly session: Session
  /** PIDs by name; `postgres` is the parent of a family. */
  pids(): ReadonlyMap<string, number>
  /** Starts a service anew, with other settings of the line's file beside those that it has. */
  restart(service: string, settings: string): Promise<void>
  /** Rows that the store has committed, as counted in its transactions. */
  stored(): Promise<number>
}

/** Beside the development and the test instance. */
const PORT_OFFSET = 20_000
const FIRST_METRICS_PORT = 9464
const READY_MS = 30_000

/** What a line has beside what every line has. */
export interface LineOptions {
  /** As in the configuration. */
  readonly processors?: readonly string[]
  /** Provisions the devices. */
  readonly provision: (database: Database) => Promise<unknown>
}

/** Starts a line with the profile's devices. */
export function openLine(profile: Profile, say: (line: string) => void, processors?: readonly string[]): Promise<Line> {
  const devices = deviceIds({ prefix: 'bench', devices: profile.devices })
  const provision = (database: Database): Promise<unknown> =>
    provisionDevices(database, { account: 'Bench', site: 'Hall', devices, from: null })
  return startLine({ provision, ...(processors === undefined ? {} : { processors }) }, say)
}

/** Starts everything from nothing; disposing removes it all. */
export async function startLine({ processors = DEFAULT_PROCESSORS, provision }: LineOptions, say: (line: string) => void): Promise<Line> {
  const offset = Number(process.env.MILLRACE_PORT_OFFSET ?? PORT_OFFSET)
  const local = localDirectory({ MILLRACE_LOCAL: process.env.MILLRACE_LOCAL ?? '.local/bench' })
  Object.assign(process.env, { MILLRACE_LOCAL: local, MILLRACE_PORT_OFFSET: String(offset), MILLRACE_CONFIG: join(local, 'millrace.yaml') })
  const quietly = (): void => undefined
  // What an earlier run that was killed left behind.
  if (existsSync(join(local, '.millrace-instance'))) await destroyLocalStack(process.env, say)
  mkdirSync(local, { recursive: true })
  const services = await declaredServices({ processors })
  const ports = Object.fromEntries([...services, WATCH].map(({ name }, index) => [name, offset + FIRST_METRICS_PORT + index]))
  const configure = (settings = ''): void =>
    writeFileSync(
      join(local, 'millrace.yaml'),
      `processors: ${JSON.stringify(processors)}
metrics: { ports: ${JSON.stringify(ports)} }
${settings}`,
    )
  configure()
  const stack = await startLocalStack(process.env, quietly)
  Object.assign(process.env, stack.addresses)
  const config = loadConfig(process.env, undefined)
  await silently(async () => {
    await migrate({})
    await registerSchemas({})
  })
  {
    await using database = createDatabase({ url: config.env.APP_DATABASE_URL, applicationName: 'millrace bench' })
    await provision(database)
  }
  const programs = await servicePrograms(config, undefined, local, process.env)
  const supervisor = await supervise({
    programs,
    graceMs: GRACE_MS,
    happened: (event) => {
      if (event.tag === 'ended' || event.tag === 'killed') say(describeEvent(event))
    },
  })
  const unhealthy = await awaitHealthy(config, READY_MS)
  if (unhealthy.length > 0) throw new Error(`not healthy after ${READY_MS / 1_000} s: ${unhealthy.join(', ')}; see ${join(local, 'log')}`)
  const session = await openSession({
    url: config.env.TELEMETRY_DATABASE_URL,
    applicationName: 'millrace bench',
    statementTimeoutMs: 0,
    answerTimeoutMs: 0,
  })

  return {
    config,
    local,
    session,
    pids: () => new Map([...stackPids(local), ...supervisor.pids(), ['bench', process.pid]]),
    async restart(service, settings) {
      configure(settings)
      const before = supervisor.pids().get(service)
      if (before === undefined) throw new Error(`${service} is not running`)
      process.kill(before, 'SIGTERM')
      for (const deadline = Date.now() + READY_MS; [undefined, before].includes(supervisor.pids().get(service)); await delay(100))
        if (Date.now() > deadline) throw new Error(`${service} did not start again within ${READY_MS / 1_000} s`)
      const still = await awaitHealthy(config, READY_MS)
      if (still.length > 0) throw new Error(`not healthy after ${READY_MS / 1_000} s: ${still.join(', ')}`)
    },
    async stored() {
      const [row] = await session.query<{ rows: bigint | null }>(
        'counting rows',
        `SELECT sum(stored)::bigint AS rows FROM consumer_offset WHERE consumer = 'store'`,
      )
      return Number(row?.rows ?? 0)
    },
    async [Symbol.asyncDispose]() {
      await session.close()
      await supervisor[Symbol.asyncDispose]()
      await stack[Symbol.asyncDispose]()
      await destroyLocalStack(process.env, quietly)
      rmSync(local, { recursive: true, force: true })
    },
  }
}

function stackPids(local: string): readonly (readonly [string, number])[] {
  // deploy/local writes the PID and the start time.
  return ['kafka', 'registry', 'mosquitto', 'postgres'].map(
    (part) => [part, Number.parseInt(readFileSync(join(local, 'pid', part), 'utf8'), 10)] as const,
  )
}

/** The commands speak to people, who need not hear of each of these. */
async function silently(work: () => Promise<void>): Promise<void> {
  const write = process.stdout.write
  process.stdout.write = () => true
  try {
    await work()
  } finally {
    process.stdout.write = write
  }
}
