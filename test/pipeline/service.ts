import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseMetrics, total } from '../../ops/status/prometheus-text.ts'
import { projectRoot } from '../../schemas/files.ts'
import type { MetricName } from '../../services/metrics.ts'
import { forAllUsers } from './database-users.ts'

/** A service as its users run it: a process of the command line. */
export interface RunningService extends AsyncDisposable {
  readonly pid: number
  /** Where its metrics and health are, on this machine. */
  readonly port: number
  /** Its configuration file. */
  readonly config: string
  /** What it wrote so far. */
  log(): string
  /** One metric's value, summed over the labels that are not given. */
  metric(name: MetricName, labels?: Readonly<Record<string, string>>): Promise<number>
  /**
   * Waits until a metric has this value: an answer may be 2 s old (`sharedAnswer`).
   * @throws Error with its last value
   */
  metricIs(value: number, name: MetricName, labels?: Readonly<Record<string, string>>): Promise<void>
  /** What /health says: what is wrong, by part; undefined while it does not answer. */
  health(): Promise<Readonly<Record<string, string>> | undefined>
  /** Resident memory. */
  memoryBytes(): number
  /** Resolves once it says that it runs. */
  ready(timeoutMs?: number): Promise<void>
  /** SIGKILL, and waits for its end. */
  kill(): Promise<void>
}

const MILLRACE = `${projectRoot}dist/bin/millrace.js`
const READY_MS = 30_000
/**
 * One that has not ended so long after SIGTERM is killed: it must not stay for the next file's
 * services to meet.
 */
const STOP_MS = 20_000

/** Ended with mocha, however that ends. */
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Runs a command to its end. */
export async function millrace(...args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [MILLRACE, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += String(chunk)))
  const code = await exited(child)
  if (code !== 0) throw new Error(`millrace ${args.join(' ')} exited with ${code}:\n${output}`)
  return output
}

/** Starts a service with metrics on a free port, and waits until it says that it runs. */
export async function startService(...args: readonly string[]): Promise<RunningService> {
  const service = await launchService(...args)
  try {
    await service.ready()
    return service
  } catch (cause) {
    // One that nobody knows of would take partitions from the next test's.
    await service.kill()
    throw cause
  }
}

/** Starts a service with metrics on a free port. */
export function launchService(...args: readonly string[]): Promise<RunningService> {
  return launchConfigured('', ...args)
}

/** Starts a service with further lines of configuration, in YAML. */
export function launchConfigured(settings: string, ...args: readonly string[]): Promise<RunningService> {
  return launchWith({ settings }, ...args)
}

/**
 * Starts a service with further lines of configuration, and variables in place of those of the
 * environment. `program` is another Millrace than this one.
 */
export async function launchWith(
  {
    settings = '',
    env = {},
    program = MILLRACE,
  }: { readonly settings?: string; readonly env?: NodeJS.ProcessEnv; readonly program?: string },
  ...args: readonly string[]
): Promise<RunningService> {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'millrace-test-'))
  const config = join(folder, 'millrace.yaml')
  writeFileSync(config, `metrics: { ports: ${port} }\nkafka: { session_timeout_ms: 6000 }\n${settings}`)
  const child = spawn(process.execPath, ['--enable-source-maps', program, ...args, '--config', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...forAllUsers(env) },
  })
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => (log += String(chunk)))
  running.add(child)
  const ended = exited(child).finally(() => running.delete(child))
  const service: RunningService = {
    pid: child.pid ?? -1,
    port,
    config,
    log: () => log,
    async metric(name, wanted = {}) {
      const samples = parseMetrics(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text())
      const chosen = samples.filter(({ labels }) => Object.entries(wanted).every(([label, value]) => labels[label] === value))
      return total(chosen, name) ?? 0
    },
    async metricIs(value, name, labels) {
      let last = Number.NaN
      await until(
        () => `${name} ${JSON.stringify(labels ?? {})} is ${value}; it is ${last}`,
        async () => {
          last = await service.metric(name, labels)
          return last === value
        },
      )
    },
    async health() {
      try {
        const response = await fetch(`http://127.0.0.1:${port}/health`)
        const { problems } = (await response.json()) as { problems: Readonly<Record<string, string>> }
        if ((response.status === 200) !== (Object.keys(problems).length === 0))
          throw new Error(`${response.status} with ${JSON.stringify(problems)}`)
        return problems
      } catch (cause) {
        if (cause instanceof TypeError) return undefined
        throw cause
      }
    },
    memoryBytes: () => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) * 1024,
    ready: (timeoutMs = READY_MS) =>
      until(
        `millrace ${args.join(' ')} runs`,
        async () => {
          if (child.exitCode !== null) throw new Error(`millrace ${args.join(' ')} exited with ${child.exitCode}:\n${log}`)
          return log.includes('"message":"running"')
        },
        timeoutMs,
      ),
    async kill() {
      child.kill('SIGKILL')
      await ended
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
      await ended
      clearTimeout(late)
      rmSync(folder, { recursive: true, force: true })
    },
  }
  return service
}

/** Waits until it holds, looking every 50 ms. */
export async function until(what: string | (() => string), holds: () => Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  for (const end = Date.now() + timeoutMs; ; await delay(50)) {
    if (await holds()) return
    if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms until ${typeof what === 'string' ? what : what()}`)
  }
}

function exited(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolve(code))
  })
}

/** A port that nobody has at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
