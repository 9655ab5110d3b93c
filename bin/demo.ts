import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createDatabase } from '../connectors/postgres/database.ts'
import { provisionDevices } from '../connectors/postgres/devices.ts'
import { deviceIds } from '../ops/fleet/device-ids.ts'
import { type FleetProcess, startFleet } from '../ops/fleet/fleet-process.ts'
import { sumFleetStats } from '../ops/fleet/fleet-stats.ts'
import { openStatusSources } from '../ops/status/status-sources.ts'
import type { Surroundings } from '../ops/status/status-view.ts'
import { claimInstance, runningSupervisor } from '../ops/supervisor/instance.ts'
import { LocalStackError, startLocalStack } from '../ops/supervisor/local-stack.ts'
import { awaitHealthy } from '../ops/supervisor/service-health.ts'
import { GRACE_MS, servicePrograms } from '../ops/supervisor/service-programs.ts'
import { type Supervisor, supervise } from '../ops/supervisor/supervisor.ts'
import { describeEvent } from '../ops/supervisor/supervisor-event.ts'
import { type Config, ConfigError, loadConfig } from '../services/config.ts'
import { fleetAccess } from '../services/fleet-access.ts'
import { localDirectory } from '../services/local-directory.ts'
import type { ConfigOption } from './command-line.ts'
import { sendFile } from './demo/file.ts'
import { bootFile, type DemoFleet, demoFleets, FLEET_PROGRAM } from './demo/fleets.ts'
import { type DemoPage, serveDemoPage } from './demo/page.ts'
import { type PrepareOptions, prepareFile } from './demo/prepared-file.ts'
import { psqlHint } from './demo/psql-hint.ts'
import { DEMO_PROCESSES, type DemoSeason, SEASON_HIVES, startDemoSeason } from './demo/season.ts'
import { awaitStored, type DemoEnd, totals } from './demo/totals.ts'
import { migrateConfigured } from './migrate.ts'
import { print } from './print.ts'
import { registerConfigured } from './schemas.ts'
import { showStatus } from './status.ts'
import { stopSignal } from './stop-signal.ts'

/** Events that the screen keeps. */
const EVENTS = 6
/** After this long the status is shown, even if services are not healthy. */
const READY_MS = 30_000

interface Options extends ConfigOption {
  readonly map: readonly string[]
  readonly device?: string | undefined
  readonly zone?: string | undefined
  readonly timeFormat?: string | undefined
  readonly separator?: keyof typeof SEPARATOR | undefined
  readonly decimal?: 'point' | 'comma' | undefined
  readonly missing: readonly string[]
  readonly fromLine?: number | undefined
  readonly header: boolean
  readonly skip?: true | undefined
  readonly round?: true | undefined
  readonly seed?: number | undefined
}

const SEPARATOR = { comma: ',', semicolon: ';', tab: '\t', bar: '|' } as const

/**
 * `millrace demo [options] [FILE.csv]`: starts everything on this machine and drives it, with
 * simulated devices until Ctrl-C or with a file.
 */
export async function demo(file: string | undefined, options: Options): Promise<number> {
  try {
    const { code, lastWords } = await runDemo(file, options)
    for (const line of lastWords) print(line)
    return code
  } catch (cause) {
    if (!(cause instanceof LocalStackError)) throw cause
    // The output of deploy/local has been printed already.
    return 1
  }
}

async function runDemo(file: string | undefined, options: Options): Promise<DemoEnd> {
  const forFiles = optionOfFiles(options)
  if (file === undefined && forFiles !== undefined) throw new ConfigError(`${forFiles} is for a file, and none was given`)
  if (file !== undefined && options.seed !== undefined) throw new ConfigError('--seed is for simulated devices, not for a file')
  if (!existsSync(FLEET_PROGRAM)) throw new ConfigError(`${FLEET_PROGRAM} is not built: run \`make firmware\``)
  const { oldest_years: oldestYears } = loadConfig(process.env, options.config).time
  const local = localDirectory(process.env)
  const prepared = file === undefined ? undefined : await prepareFile(file, local, { ...fileOptions(options), oldestYears })

  const stopping = new AbortController()
  void stopSignal().then(() => {
    stopping.abort()
    // A second signal must not end the process here, or nothing would be stopped in good order.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => print('stopping: this takes a few seconds'))
  })
  await using stack = await startLocalStack(process.env, print)
  // The demonstration runs on the local stack, whatever the environment says. The commands below
  // read the environment.
  Object.assign(process.env, stack.addresses)
  // The bridge's password is in the file that the addresses name.
  delete process.env.MQTT_PASSWORD
  const configured = loadConfig(process.env, options.config)
  const config = file === undefined ? withProcesses(configured) : configured
  await migrateConfigured(config)
  await registerConfigured(config)
  if (stopping.signal.aborted) return { code: 0, lastWords: [] }

  const events: string[] = []
  await using services = await startServices(config, options.config, local, events, stopping.signal)
  if (prepared !== undefined) return await sendFile({ file: prepared, config, local, signal: stopping.signal, say: print })
  if (services === undefined)
    throw new ConfigError(`millrace up runs already (PID ${runningSupervisor(local)}): end it first, or look at it with millrace status`)
  return await drive(config, local, options.seed ?? 1, events, stopping.signal)
}

/** What is configured, and the business processes that the season is for. */
function withProcesses(config: Config): Config {
  return { ...config, processors: [...config.processors, ...DEMO_PROCESSES.filter((name) => !config.processors.includes(name))] }
}

function fileOptions({
  map,
  device,
  zone,
  timeFormat,
  separator,
  decimal,
  missing,
  fromLine,
  header,
  skip,
  round,
}: Options): Omit<PrepareOptions, 'oldestYears'> {
  return {
    map,
    device,
    zone,
    timeFormat,
    separator: separator === undefined ? undefined : SEPARATOR[separator],
    decimal,
    missing,
    fromLine,
    header,
    skip: skip === true,
    round: round === true,
  }
}

/** An option that only a file has, if there is one. */
function optionOfFiles({
  map,
  device,
  zone,
  timeFormat,
  separator,
  decimal,
  missing,
  fromLine,
  header,
  skip,
  round,
}: Options): string | undefined {
  const given = {
    map: map[0],
    device,
    zone,
    'time-format': timeFormat,
    separator,
    decimal,
    missing: missing[0],
    'from-line': fromLine,
    skip,
    round,
  }
  const name = Object.entries(given).find(([, value]) => value !== undefined)?.[0]
  return name === undefined ? (header ? undefined : '--no-header') : `--${name}`
}

/** Starts the services, unless `millrace up` runs them already. */
async function startServices(
  config: Config,
  configFile: string | undefined,
  local: string,
  events: string[],
  signal: AbortSignal,
): Promise<Services | undefined> {
  const other = runningSupervisor(local)
  if (other !== undefined) {
    print(`services   run by process ${other}`)
    return undefined
  }
  const release = claimInstance(local)
  const programs = await servicePrograms(config, configFile, local, process.env)
  // A service that started or stopped as it should is no news.
  const restarted = new Set<string>()
  const supervisor = await supervise({
    programs,
    graceMs: GRACE_MS,
    happened: (event) => {
      if (event.tag === 'stopped' || (event.tag === 'started' && !restarted.has(event.name))) return
      if (event.tag === 'ended') restarted.add(event.name)
      note(events, describeEvent(event))
    },
  })
  const unhealthy = await awaitHealthy(config, READY_MS, signal)
  if (unhealthy.length > 0) print(`services   not healthy yet: ${unhealthy.join(', ')}`)
  print(
    `services   started  ${programs
      .map(({ name }) => name)
      .join(', ')
      .padEnd(43)} logs: ${join(local, 'log')}`,
  )
  return { supervisor, [Symbol.asyncDispose]: () => supervisor[Symbol.asyncDispose]().then(release) }
}

interface Services extends AsyncDisposable {
  readonly supervisor: Supervisor
}

/**
 * Drives the line with the simulated fleets and a season, and shows the status until the signal.
 */
async function drive(config: Config, local: string, seed: number, events: string[], signal: AbortSignal): Promise<DemoEnd> {
  await provision(config)
  const running: FleetProcess[] = []
  let season: DemoSeason | undefined
  const stats = (): ReturnType<typeof sumFleetStats> => sumFleetStats([season?.stats(), ...running.map((fleet) => fleet.stats())])
  const fleetDevices = demoFleets.reduce((sum, fleet) => sum + fleet.devices, 0)
  await using sources = await openStatusSources(config, {
    get devices() {
      return fleetDevices + (season?.over === true ? 0 : SEASON_HIVES)
    },
    stats,
  })
  await using page = await serveDemoPage(config)
  if (!process.stdout.isTTY) print(`page       ${page.address}  (actions: token ${page.token})`)
  const before = await sources.stored()
  await using started = await startDemoSeason(config, local, seed, (words) => note(events, words))
  season = started
  for (const fleet of demoFleets) running.push(start(config, local, fleet, events))
  const frame: Surroundings = {
    startedMs: Date.now(),
    get hints() {
      return hints(config, local, started, page)
    },
    events,
  }
  const live = showStatus(sources, frame)
  if (!signal.aborted) await once(signal, 'abort')
  await live.stop()
  print('stopping the devices, then the services, then the servers')
  await Promise.all([started.stop(), ...running.map((fleet) => fleet[Symbol.asyncDispose]())])
  const sent = stats()
  const after = await awaitStored(sources, before, sent)
  return { code: 0, lastWords: [totals(sent, before, after), ...(await started.story(sources))] }
}

function hints({ env }: Config, local: string, season: DemoSeason, page: DemoPage): Surroundings['hints'] {
  return [
    ['see it in a browser', `${page.address}  (actions: token ${page.token})`],
    ['look at the data', psqlHint(env.TELEMETRY_DATABASE_URL, local)],
    ['', 'SELECT * FROM readings ORDER BY ts DESC LIMIT 5;'],
    [`season, ${season.progress()}`, psqlHint(env.APP_DATABASE_URL, local)],
    ['', 'SELECT name, hives FROM deployments WHERE hives > 0;'],
    ['', `millrace alerts list --account "${season.account}"`],
    ['kill a service', `kill -9 $(cat ${join(local, 'pid', 'store')})`],
    ['end it', 'Ctrl-C'],
  ]
}

/** Something that happened: for the screen, or printed if there is none. */
function note(events: string[], line: string): void {
  events.push(`${new Date().toISOString().slice(11, 19)} ${line}`)
  if (events.length > EVENTS) events.shift()
  if (!process.stdout.isTTY) print(line)
}

async function provision({ env }: Config): Promise<void> {
  await using database = createDatabase({ url: env.APP_DATABASE_URL, applicationName: 'millrace demo' })
  for (const fleet of demoFleets) await provisionDevices(database, { ...fleet, devices: deviceIds(fleet), from: null })
}

function start({ env }: Config, local: string, { prefix, firmware, devices, sampleHz }: DemoFleet, events: string[]): FleetProcess {
  const logFile = join(local, 'log', `fleet-${prefix}.log`)
  const args = ['--prefix', prefix, '--firmware', firmware, '--devices', String(devices), '--sample-hz', String(sampleHz)]
  const fleet = startFleet({
    program: FLEET_PROGRAM,
    broker: fleetAccess(env),
    args: [...args, '--boot-file', bootFile(local, prefix)],
    logFile,
  })
  void fleet.ended.then((how) => {
    if (how !== 0) note(events, `fleet ${prefix} ended (${how}): see ${logFile}`)
  })
  return fleet
}
