import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { NODE_FLAGS } from '../../ops/supervisor/service-programs.ts'
import { type Supervisor, supervise } from '../../ops/supervisor/supervisor.ts'
import type { SupervisorEvent } from '../../ops/supervisor/supervisor-event.ts'
import { projectRoot } from '../../schemas/files.ts'

/** The services of the line. Of the consumers there may be a second instance. */
export const instances = ['bridge', 'standardise', 'store', 'continuity', 'standardise-2', 'store-2'] as const
export type Instance = (typeof instances)[number]

/** Instances of Millrace's services, each started again when it ends, with its log in a file of its own. */
export interface Services extends AsyncDisposable {
  start(instance: Instance): Promise<void>
  /** SIGTERM, and it does not come back. */
  stop(instance: Instance): Promise<void>
  /** Sends a signal where the instance runs at this moment; whether it does. */
  signal(instance: Instance, signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): boolean
  /** Commits that the database refused because another owner has the partition: from the store's logs, for its metrics die with it. */
  fenced(): number
  /** Largest resident size seen of each instance, in MB. */
  peakMegabytes(): Readonly<Record<string, number>>
  /** Times that an instance ended though nobody had killed it. */
  readonly endedByThemselves: Readonly<Record<string, number>>
  logOf(instance: Instance): string
}

export interface ServicesOptions {
  /** For logs, PID files and the configuration. */
  readonly directory: string
  readonly env: NodeJS.ProcessEnv
  readonly sessionTimeoutMs: number
  readonly firstMetricsPort: number
}

const GRACE_MS = 15_000
/** A service that was killed is back soon, for the next fault to meet. */
const BACKOFF = { baseMs: 200, maxMs: 3_000 }
const SAMPLE_MS = 1_000

export function createServices({ directory, env, sessionTimeoutMs, firstMetricsPort }: ServicesOptions): Services {
  const running = new Map<Instance, Supervisor>()
  const peaks: Record<string, number> = {}
  const endedByThemselves: Record<string, number> = {}
  mkdirSync(directory, { recursive: true })
  const logOf = (instance: Instance): string => join(directory, `${instance}.log`)
  const sampling = setInterval(() => {
    for (const [name, supervisor] of running) {
      const pid = supervisor.pids().get(name)
      if (pid !== undefined) peaks[name] = Math.max(peaks[name] ?? 0, residentMegabytes(pid))
    }
  }, SAMPLE_MS)

  /** Each instance has ports of its own. */
  function configure(instance: Instance): string {
    const port = firstMetricsPort + 3 * instances.indexOf(instance)
    const path = join(directory, `${instance}.yaml`)
    writeFileSync(
      path,
      `kafka: { session_timeout_ms: ${sessionTimeoutMs} }\nmetrics: { bridge: ${port}, store: ${port + 1}, processors: ${port + 2} }\n`,
    )
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
      const role = instance.replace('-2', '')
      const program = {
        name: instance,
        command: process.execPath,
        args: [
          ...NODE_FLAGS,
          `${projectRoot}dist/bin/millrace.js`,
          ...(role === 'standardise' || role === 'continuity' ? ['run', role] : [role]),
          '--config',
          configure(instance),
        ],
        env,
        logFile: logOf(instance),
        pidFile: join(directory, `${instance}.pid`),
      }
      running.set(
        instance,
        await supervise({ programs: [program], graceMs: GRACE_MS, backoff: BACKOFF, random: Math.random, happened: note }),
      )
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
    async [Symbol.asyncDispose]() {
      clearInterval(sampling)
      await Promise.all(instances.map(stop))
    },
  }
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
