import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { join } from 'node:path'
import type { BrokerAccess } from '../../connectors/mqtt/dial.ts'
import { fleetCommand } from '../../ops/fleet/fleet-process.ts'
import { projectRoot } from '../../schemas/files.ts'

const PROGRAM = `${projectRoot}firmware/build/fleet`

export interface FleetOptions {
  readonly broker: BrokerAccess
  readonly prefix: string
  readonly firmware: string
  readonly devices: number
  readonly rate: number
  readonly seed: number
  /** For the boot counter and the ledger. */
  readonly directory: string
}

/** What a fleet says of itself at the end. */
export interface FleetTotals {
  readonly samples: number
  readonly acked: number
  readonly acked_samples: number
  readonly dropped: number
  readonly resent: number
}

/** A fleet under load. */
export interface RunningFleet extends AsyncDisposable {
  readonly ledger: string
  /** Ends its load early; it drains as at its end. */
  stop(): void
  /** Resolves when all that was sealed is acknowledged; rejects if that did not come about. */
  readonly done: Promise<FleetTotals>
}

/** Frames that a device keeps through outages: at about two a second, ten minutes. */
const QUEUE = 1200
/**
 * A device on a half-open connection notices it after its keep-alive of 60 s, and may then wait as
 * long to connect again.
 */
const DRAIN_S = 180

/** Device IDs of a fleet. */
export function fleetDevices({ prefix, firmware, devices }: Pick<FleetOptions, 'prefix' | 'firmware' | 'devices'>): readonly string[] {
  const args = ['--list-devices', '--prefix', prefix, '--firmware', firmware, '--devices', String(devices)]
  return execFileSync(PROGRAM, args, { encoding: 'utf8' }).trim().split('\n')
}

/** Starts a fleet for so many seconds of load. Each start is the next boot of its devices. */
export function startFleet(options: FleetOptions, name: string, seconds: number): RunningFleet {
  const ledger = join(options.directory, `${options.prefix}-${name}.csv`)
  const { args, env } = fleetCommand(options.broker)
  const child = spawn(
    PROGRAM,
    [
      args,
      ['--prefix', options.prefix],
      ['--firmware', options.firmware],
      ['--devices', String(options.devices)],
      ['--rate', String(options.rate)],
      ['--seed', String(options.seed)],
      ['--duration', String(seconds)],
      ['--queue', String(QUEUE)],
      ['--drain', String(DRAIN_S)],
      ['--boot-file', join(options.directory, `${options.prefix}.boot`)],
      ['--ledger', ledger],
      ['--ledger-frames', '--stats-json'],
    ].flat(),
    { stdio: ['ignore', 'pipe', 'pipe'], env },
  )
  return {
    ledger,
    stop: () => void child.kill('SIGINT'),
    done: finished(child, options.prefix),
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await ended
    },
  }
}

async function finished(child: ChildProcess, prefix: string): Promise<FleetTotals> {
  let last = ''
  let errors = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    last = (last + chunk.toString()).split('\n').slice(-2).join('\n')
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-2000)
  })
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code !== 0) throw new Error(`the fleet of ${prefix} devices ended with exit code ${String(code)}:\n${errors}`)
  return JSON.parse(last) as FleetTotals
}
