import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { createKafka, type KafkaClient } from '../../connectors/kafka/client.ts'
import { type FleetTotals, fleetDevices, type RunningFleet, startFleet } from './fleet.ts'
import { HOSTILE_DEVICES } from './hostile.ts'
import { type Line, openLine } from './line.ts'
import { TakenPortError } from './ports.ts'
import type { GoodReading } from './publisher.ts'
import { JSON_DEVICE, MOVING_DEVICE, POISON_DEVICE, STATUS_DEVICES } from './publisher.ts'
import { line as instances } from './services.ts'
import type { Settings } from './settings.ts'
import { LAST_DEVICE, settle } from './settle.ts'

/** The fleets: two firmwares, for their conversions differ. */
export const fleets = [
  { prefix: 'chaos-plant', firmware: 'plant-1' },
  { prefix: 'chaos-hive', firmware: 'hive-2' },
] as const

/** Far shorter than in production, so that pauses past it are many. */
export const SESSION_TIMEOUT_MS = 6_000

/** A line with its services running, and what was sent through it. */
export interface Session {
  readonly line: Line
  readonly signal: AbortSignal
  readonly say: (text: string) => void
  /** Starts both fleets for so many seconds. */
  load(phase: string, seconds: number, rate?: number): Promise<readonly { readonly firmware: string; readonly fleet: RunningFleet }[]>
  /** Kafka without a proxy before it. */
  readonly kafka: KafkaClient
  /**
   * Waits until nothing is left to read, by `everyone` if asked; the reading that told is part of
   * what was sent.
   */
  settled(everyone?: boolean): Promise<{ readonly last: GoodReading; readonly seconds: number }>
}

/** The device of a fleet. */
export function isFleet(device: string): boolean {
  return fleets.some(({ prefix }) => device.startsWith(`${prefix}-`))
}

export function totalsOf(all: readonly FleetTotals[]): { readonly dropped: number; readonly resent: number } {
  return { dropped: all.reduce((sum, { dropped }) => sum + dropped, 0), resent: all.reduce((sum, { resent }) => sum + resent, 0) }
}

/**
 * Runs work on a line of its own, and leaves nothing behind: also where it fails, or after SIGINT
 * or SIGTERM.
 * @returns the exit code
 */
export async function withSession(settings: Settings, work: (session: Session) => Promise<boolean>): Promise<number> {
  const beganMs = performance.now()
  const say = (text: string): void => {
    process.stdout.write(`${((performance.now() - beganMs) / 1000).toFixed(1).padStart(7)} s  ${text}\n`)
  }
  const stopping = new AbortController()
  const undone: (() => Promise<void>)[] = []
  // What failed, somebody will want to look at.
  let passed = false
  const keep = (): boolean => settings.keep || !(passed || stopping.signal.aborted)
  const onSignal = (): void => {
    if (stopping.signal.aborted) return
    say('stopping')
    stopping.abort(new Error('interrupted'))
  }
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, onSignal)
  try {
    const line = await openLine({ settings, sessionTimeoutMs: SESSION_TIMEOUT_MS, say, keep, undo: (action) => undone.push(action) })
    const session = await start(settings, line, stopping.signal, say, (action) => undone.push(action))
    passed = await work(session)
    return passed ? 0 : 1
  } catch (cause) {
    say(stopping.signal.aborted ? 'interrupted' : `failed: ${reasonOf(cause)}`)
    return 1
  } finally {
    for (const action of undone.reverse()) await action().catch((cause: unknown) => say(`cleaning up: ${String(cause)}`))
  }
}

/** A stack says nothing to somebody whose port is taken. */
function reasonOf(cause: unknown): string {
  if (cause instanceof TakenPortError) return cause.message
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
}

async function start(
  settings: Settings,
  line: Line,
  signal: AbortSignal,
  say: (text: string) => void,
  undo: (action: () => Promise<void>) => void,
): Promise<Session> {
  const { services, direct } = line
  const share = Math.ceil(settings.devices / fleets.length)
  const devices = fleets.flatMap((fleet) => fleetDevices({ ...fleet, devices: share }))
  await line.provision([...devices, JSON_DEVICE, POISON_DEVICE, LAST_DEVICE, MOVING_DEVICE, ...STATUS_DEVICES, ...HOSTILE_DEVICES])
  for (const instance of instances) await services.start(instance)
  await until('the bridge has subscribed', () => logHas(services.logOf('bridge'), 'MQTT session up'), signal)
  const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }
  const kafka = createKafka({ brokers: direct.kafkaBrokers, clientId: 'chaos' }, quiet)
  let loads = 0
  return {
    line,
    signal,
    say,
    async load(phase, seconds, rate = settings.rate) {
      signal.throwIfAborted()
      // A phase may have several, each with ledgers of its own.
      loads++
      say(`${devices.length} devices, ${rate} readings/s for ${Math.round(seconds)} s`)
      return fleets.map(({ prefix, firmware }) => {
        const options = {
          broker: { url: line.deviceUrl },
          prefix,
          firmware,
          devices: share,
          rate: rate / fleets.length,
          seed: settings.seed,
          directory: line.directory,
        }
        const fleet = startFleet(options, `${phase}-${loads}`, seconds)
        // Whoever waits for it gets the error.
        fleet.done.catch(() => undefined)
        undo(async () => {
          await fleet[Symbol.asyncDispose]()
        })
        return { firmware, fleet }
      })
    },
    kafka,
    async settled(everyone = false) {
      const fromMs = performance.now()
      const { mqttUrl, telemetryUrl, appUrl } = direct
      const last = await settle({ kafka, mqttUrl, telemetryUrl, appUrl, everyone, signal })
      return { last, seconds: Math.round((performance.now() - fromMs) / 1000) }
    },
  }
}

const READY_MS = 60_000

async function until(what: string, holds: () => boolean, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + READY_MS
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`not within ${READY_MS / 1000} s: ${what}`)
    await delay(100, undefined, { signal })
  }
}

function logHas(path: string, text: string): boolean {
  try {
    return readFileSync(path, 'utf8').includes(text)
  } catch {
    return false
  }
}
