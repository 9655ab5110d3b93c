import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { pipeline } from 'node:stream/promises'
import type { BrokerAccess } from '../../connectors/mqtt/dial.ts'
import { type FleetStats, parseFleetStats } from './fleet-stats.ts'

export interface FleetOptions {
  /** firmware/build/fleet */
  readonly program: string
  /** Where its devices connect, and as whom. */
  readonly broker: BrokerAccess
  /** Its other options; --stats-json is added. */
  readonly args: readonly string[]
  /** File that becomes its standard input, or what is written to it. */
  readonly input?: string | AsyncIterable<string>
  /** Its summary and complaints are appended here. */
  readonly logFile: string
  /** Called with each line of figures: once a second, and at the end. */
  readonly heard?: (stats: FleetStats) => void
}

/** A simulated fleet that runs. Disposing stops it: it waits for its PUBACKs first. */
export interface FleetProcess extends AsyncDisposable {
  readonly pid: number | undefined
  /** Its latest figures; undefined until it has spoken. */
  stats(): FleetStats | undefined
  /** Ends its load early; it drains, and `ended` says how it went. */
  stop(): void
  /** Exit code, or the signal: 0 if all that it sent was acknowledged. Never rejects. */
  readonly ended: Promise<number | NodeJS.Signals>
}

/** Options of the C program that say where to connect and as whom, and its environment. */
export function fleetCommand({ url, username, password, tls }: BrokerAccess): {
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
} {
  return {
    args: [
      ...['--url', url],
      ...(tls?.caFile === undefined ? [] : ['--ca', tls.caFile]),
      ...(username === undefined ? [] : ['--username', username]),
    ],
    // Not in a command line, which is everybody's to read.
    env: { ...process.env, ...(password === undefined ? {} : { MQTT_FLEET_PASSWORD: password }) },
  }
}

/** How long a fleet that was told to stop may take to drain and end (--drain). */
const GRACE_MS = 15_000

/** Starts the C program `fleet`. */
export function startFleet({ program, broker, args, input, logFile, heard }: FleetOptions): FleetProcess {
  mkdirSync(dirname(logFile), { recursive: true })
  const log = openSync(logFile, 'a')
  const stdin = input === undefined ? 'ignore' : typeof input === 'string' ? openSync(input, 'r') : 'pipe'
  const { args: connecting, env } = fleetCommand(broker)
  const child = spawn(program, [...connecting, ...args, '--stats-json'], { stdio: [stdin, 'pipe', log], detached: true, env })
  closeSync(log)
  if (typeof stdin === 'number') closeSync(stdin)
  let latest: FleetStats | undefined
  // A fleet that ends early breaks the pipe: `ended` says so.
  if (child.stdin !== null && typeof input === 'object') void pipeline(input, child.stdin).catch(() => undefined)
  if (child.stdout === null) throw new Error('a fleet has a pipe for its figures')
  createInterface({ input: child.stdout }).on('line', (line) => {
    const stats = parseFleetStats(line)
    if (stats === undefined) return
    latest = stats
    heard?.(stats)
  })
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('error', () => resolve(127))
    // 'close', not 'exit': the last line of figures has been read by then.
    child.once('close', (code, signal) => resolve(code ?? signal ?? 1))
  })
  return {
    pid: child.pid,
    stats: () => latest,
    stop: () => void child.kill('SIGINT'),
    ended,
    async [Symbol.asyncDispose]() {
      child.kill('SIGINT')
      const timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS)
      await ended
      clearTimeout(timer)
    },
  }
}
