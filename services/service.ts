import type { Server } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { Registry } from 'prom-client'
import { systemClock } from '../connectors/clock.ts'
import type { Log } from '../connectors/contract.ts'
import { createRegistry } from '../connectors/registry/registry.ts'
import type { DeclaredService } from '../processors/declaration.ts'
import { visible } from '../processors/visible.ts'
import type { Quantity } from '../schemas/quantities.ts'
import type { Config } from './config.ts'
import { expectedFailure } from './expected.ts'
import { type Answer, serveHttp, sharedAnswer } from './http-server.ts'
import { createLog, logSettings } from './log.ts'
import { labelService, reportMetrics, requireMetrics } from './metrics.ts'
import { httpAddress, metricsPort, ownHost } from './metrics-ports.ts'
import { Problems } from './problems.ts'
import { watchQuantities } from './quantities-watch.ts'
import { createRedactor } from './secrets.ts'

/** What is run as a service: those of the line, and what watches them. */
export interface RunAs extends Pick<DeclaredService, 'name' | 'metricsPort'> {
  readonly kind: DeclaredService['kind'] | 'watch'
}

/** What a service gets at its start. */
export interface ServiceContext {
  readonly config: Config
  readonly log: Log
  /** Aborted when the service must stop. Then every wait ends. */
  readonly signal: AbortSignal
  readonly metrics: Registry
  readonly health: Health
  readonly pages: Pages
}

/** What is wrong, by part. /health serves it: 200 if nothing is wrong, else 503. */
export interface Health {
  set(part: string, problem: string | null): void
}

/** Pages of its own, beside /metrics and /health. */
export interface Pages {
  /** @param make the value of the page, which is served as JSON */
  add(path: `/${string}`, make: () => unknown): void
}

/** A started service. */
export interface Service {
  /** Rejects if it cannot go on. */
  readonly failed: Promise<never>
  /** Finishes what is under way and closes everything. Called before the signal is aborted. */
  stop(): Promise<void>
}

/** The part in /health until everything is started. */
const STARTING = 'service'
/** How long a service may take, after the first signal, to finish what is under way. */
const STOP_DEADLINE_MS = 10_000
/**
 * After this the process exits, even if something is still open that was told to close. Other
 * services in it have stopped by then.
 */
const EXIT_DEADLINE_MS = STOP_DEADLINE_MS + 1_000

/**
 * Share of the time for collecting metrics. If somebody asks more often, the figures are up to a
 * second old.
 */
const FIGURES_SHARE = 0.05
const FIGURES_LONGEST_MS = 1_000

/**
 * Runs a service until SIGINT or SIGTERM, with its metrics and health on a port of its own.
 * @param readQuantities reads the deployment's file of quantities, as it is now
 * @returns the exit code: 0 after a clean stop, 1 after a failure
 */
export async function runService(
  declared: RunAs,
  config: Config,
  start: (context: ServiceContext) => Promise<Service>,
  readQuantities: () => readonly Quantity[],
): Promise<number> {
  const log = createLog(declared.name, logSettings(process.env, config.log))
  const abort = new AbortController()
  const metrics = new Registry()
  labelService(metrics, declared.name)
  const problems = new Problems(systemClock, createRedactor(process.env))
  const health: Health = problems
  reportMetrics(metrics, { millrace_healthy: () => (problems.none ? 1 : 0) })
  health.set(STARTING, 'it has not started yet')
  const stopping = signalled()
  const port = metricsPort(config, declared)
  const own: Record<string, () => Answer> = Object.create(null) as Record<string, () => Answer>
  const pages: Pages = {
    add(path, make) {
      own[path] = () => json(200, make())
    },
  }
  const server = await serve(config, declared.name, port, metrics, problems, own)
  try {
    const service = await Promise.race([
      start({ config, log, signal: abort.signal, metrics, health, pages }),
      stopping.then(() => undefined),
    ])
    if (service === undefined) return 0
    requireMetrics(metrics, declared.kind)
    health.set(STARTING, null)
    log.info('running', { pid: process.pid, metrics: `${httpAddress(config.metrics.host, port)}/metrics` })
    await using watch = watchQuantities({
      // The bridge decodes nothing, and holds the session: it has no need to start again.
      read: declared.kind === 'bridge' ? () => [] : readQuantities,
      registry: createRegistry(config.env.REGISTRY_URL),
      clock: systemClock,
      log,
      problem: (what) => health.set('quantities', what),
    })
    const failed = Promise.race([service.failed, watch.changed])
    const failure = await Promise.race([failed.catch((cause: unknown) => cause), stopping.then(() => undefined)])
    if (failure !== undefined)
      log.error(
        'stopping after a failure',
        expectedFailure(failure) === undefined
          ? { cause: String(failure), stack: failure instanceof Error ? failure.stack : undefined }
          : { cause: expectedFailure(failure) },
      )
    const clean = await Promise.race([service.stop().then(() => true), delay(STOP_DEADLINE_MS, false, { ref: false })])
    log.info(clean ? 'stopped' : 'gave up waiting for what was under way; it will be read again')
    return failure === undefined ? 0 : 1
  } finally {
    abort.abort()
    server.close()
    server.closeAllConnections()
    // kafkajs does not listen to the signal while it waits for a cluster that is away.
    setTimeout(() => process.exit(), EXIT_DEADLINE_MS).unref()
  }
}

function signalled(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
}

function serve(
  { metrics: settings }: Config,
  service: string,
  port: number,
  metrics: Registry,
  problems: Problems,
  own: Record<string, () => Answer>,
): Promise<Server> {
  const figures = sharedAnswer(FIGURES_SHARE, FIGURES_LONGEST_MS, () => metrics.metrics())
  const host = ownHost(settings, service)
  return serveHttp({
    host: settings.host,
    port,
    names: host === undefined ? settings.host_names : [...settings.host_names, host],
    pages: Object.assign(own, {
      '/metrics': async () => ({ status: 200, type: metrics.contentType, body: await figures() }),
      '/livez': () => ({ status: 200, type: 'text/plain; charset=utf-8', body: 'alive\n' }),
      '/readyz': () => {
        const starting = problems.of(STARTING)
        return { status: starting === undefined ? 200 : 503, type: 'text/plain; charset=utf-8', body: `${starting ?? 'ready'}\n` }
      },
      '/health': () => json(problems.none ? 200 : 503, problems.shown()),
    }),
  })
}

function json(status: number, value: unknown): Answer {
  return { status, type: 'application/json', body: `${visible(JSON.stringify(value))}\n` }
}
