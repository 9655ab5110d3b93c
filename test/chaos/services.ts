import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BackendChoice } from '../../connectors/postgres/backend.ts'
import { NODE_FLAGS } from '../../ops/supervisor/service-programs.ts'
import { type Supervisor, supervise } from '../../ops/supervisor/supervisor.ts'
import type { SupervisorEvent } from '../../ops/supervisor/supervisor-event.ts'
import { projectRoot } from '../../schemas/files.ts'
import { DEFAULT_PROCESSORS } from '../../services/config-shape.ts'
import { declaredServices } from '../../services/declared.ts'
import { requireFree } from './ports.ts'

/** What the configuration names: the business processes too. */
export const PROCESSORS: readonly string[] = [...DEFAULT_PROCESSORS, 'movement', 'alerts', 'contact']

/** What the commands and all services have in their configuration. */
export function configuration(backend: BackendChoice): string {
  return `processors: [${PROCESSORS.join(', ')}]\nstore: { backend: ${backend} }\n`
}

/** One instance of each service. */
export const line = ['bridge', 'standardise', 'translate', 'store', 'continuity', 'devices', 'movement', 'alerts', 'contact'] as const
/** The services of the line. Of the consumers there may be a second instance. */
export const instances = [...line, 'standardise-2', 'store-2', 'movement-2', 'alerts-2', 'contact-2'] as const
export type Instance = (typeof instances)[number]

/**
 * Instances of Millrace's services, each started again when it ends, with its log in a file of its
 * own.
 */
export interface Services extends AsyncDisposable {
  start(instance: Instance): Promise<void>
  /** SIGTERM, and it does not come back. */
  stop(instance: Instance): Promise<void>
  /** Sends a signal where the instance runs at this moment; whether it does. */
  signal(instance: Instance, signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): boolean
  /**
   * Commits that the database refused because another owner has the partition: from the store's
   * logs, for its metrics die with it.
   */
  fenced(): number
  /** Largest resident size seen of each instance, in MB. */
  peakMegabytes(): Readonly<Record<string, number>>
  /** Times that an instance ended though nobody had killed it. */
  readonly endedByThemselves: Readonly<Record<string, number>>
  logOf(instance: Instance): string
  /** What its /health says is wrong, by part; undefined while it does not answer. */
  health(instance: Instance): Promise<Readonly<Record<string, string>> | undefined>
  /** Its metrics by name, summed over their labels; undefined while it does not answer. */
  metrics(instance: Instance): Promise<ReadonlyMap<string, number> | undefined>
}

export interface ServicesOptions {
  /** For logs, PID files and the configuration. */
  readonly directory: string
  readonly env: NodeJS.ProcessEnv
  readonly configuration: string
  readonly sessionTimeoutMs: number
  readonly firstMetricsPort: number
}

const GRACE_MS = 15_000
/** A service that was killed is back soon, for the next fault to meet. */
const BACKOFF = { baseMs: 200, maxMs: 3_000 }
const SAMPLE_MS = 1_000
const ANSWER_MS = 5_000

export function createServices({ directory, env, configuration: common, sessionTimeoutMs, firstMetricsPort }: ServicesOptions): Services {
  const running = new Map<Instance, Supervisor>()
  const peaks: Record<string, number> = {}
  const endedByThemselves: Record<string, number> = {}
  mkdirSync(directory, { recursive: true })
  const declared = declaredServices({ processors: PROCESSORS })
  // Whoever starts one gets the error.
  declared.catch(() => undefined)
  const logOf = (instance: Instance): string => join(directory, `${instance}.log`)
  const sampling = setInterval(() => {
    for (const [name, supervisor] of running) {
      const pid = supervisor.pids().get(name)
      if (pid !== undefined) peaks[name] = Math.max(peaks[name] ?? 0, residentMegabytes(pid))
    }
  }, SAMPLE_MS)

  const portOf = (instance: Instance): number => firstMetricsPort + instances.indexOf(instance)

  /** Undefined without a whole answer: one that is stopped, being started or overloaded. */
  async function ask(instance: Instance, path: string): Promise<string | undefined> {
    try {
      const response = await fetch(`http://127.0.0.1:${portOf(instance)}${path}`, { signal: AbortSignal.timeout(ANSWER_MS) })
      return (await response.text()) || undefined
    } catch {
      return undefined
    }
  }

  /** Each instance has a port of its own. */
  function configure(instance: Instance): string {
    const path = join(directory, `${instance}.yaml`)
    writeFileSync(path, `${common}kafka: { session_timeout_ms: ${sessionTimeoutMs} }\nmetrics: { ports: ${portOf(instance)} }\n`)
    return path
  }

  function signal(instance: Instance, name: NodeJS.Signals): boolean {
    const pid = running.get(instance)?.pids().get(instance)
    return pid !== undefined && process.kill(pid, name)
  }

  function note(event: SupervisorEvent): void {
    if (event.tag === 'ended' && event.how !== 'SIGKILL') endedByThemselves[event.name] = (endedByThemselves[event.name] ?? 0) + 1
  }

  async function stop(instance: Instance): Promise<void> {
    // One that is paused would not hear SIGTERM.
    signal(instance, 'SIGCONT')
    const supervisor = running.get(instance)
    running.delete(instance)
    await supervisor?.[Symbol.asyncDispose]()
  }

  return {
    async start(instance) {
      if (running.has(instance)) return
      const pidFile = join(directory, `${instance}.pid`)
      // One that an earlier run left behind is ended below.
      await requireFree(portOf(instance), `metrics of ${instance}`, existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : undefined)
      const { niceness } = (await declared).find(({ name }) => name === roleOf(instance)) ?? {}
      const program = {
        name: instance,
        command: process.execPath,
        args: [...NODE_FLAGS, `${projectRoot}dist/bin/millrace.js`, 'run', roleOf(instance), '--config', configure(instance)],
        env,
        logFile: logOf(instance),
        pidFile,
        // As on a machine that runs them all.
        ...(niceness === undefined ? {} : { niceness }),
      }
      running.set(instance, await supervise({ programs: [program], graceMs: GRACE_MS, backoff: BACKOFF, happened: note }))
    },
    stop,
    signal,
    endedByThemselves,
    fenced() {
      return (['store', 'store-2'] as const).reduce(
        (sum, instance) => sum + countLines(logOf(instance), 'another owner has a partition'),
        0,
      )
    },
    peakMegabytes: () => peaks,
    logOf,
    async health(instance) {
      const answer = await ask(instance, '/health')
      return answer === undefined ? undefined : (JSON.parse(answer) as { problems: Readonly<Record<string, string>> }).problems
    },
    async metrics(instance) {
      const answer = await ask(instance, '/metrics')
      return answer === undefined ? undefined : summed(answer)
    },
    async [Symbol.asyncDispose]() {
      clearInterval(sampling)
      await Promise.all(instances.map(stop))
    },
  }
}

function roleOf(instance: Instance): string {
  return instance.replace('-2', '')
}

/** Prometheus's text format, without labels. */
function summed(text: string): ReadonlyMap<string, number> {
  const sums = new Map<string, number>()
  for (const [, name = '', value] of text.matchAll(/^(\w+)(?:\{.*\})? (\S+)$/gm)) sums.set(name, (sums.get(name) ?? 0) + Number(value))
  return sums
}

function residentMegabytes(pid: number): number {
  try {
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return Math.round(Number(kilobytes ?? 0) / 1024)
  } catch {
    // It ended between the look at the list and the look at it.
    return 0
  }
}

function countLines(path: string, text: string): number {
  try {
    return readFileSync(path, 'utf8').split(text).length - 1
  } catch {
    return 0
  }
}
