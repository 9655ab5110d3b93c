import { randomInt } from 'node:crypto'
import { isAbsolute, join } from 'node:path'
import { BACKEND_NAMES, type BackendChoice } from '../../connectors/postgres/backend.ts'
import { projectRoot } from '../../schemas/files.ts'

/** Of a run, from the environment. */
export interface Settings {
  /** Of load, over all phases. */
  readonly minutes: number
  readonly seed: number
  /** Readings a second of all devices together: what two cores can catch up with between faults. */
  readonly rate: number
  readonly devices: number
  /** The stack's directory, where the run's own files are too. */
  readonly local: string
  readonly portOffset: number
  /** Leave the stack's data for a look at it. */
  readonly keep: boolean
  /** Brokers of Kafka. With three, each is killed, paused, cut off and filled by itself. */
  readonly kafkaNodes: 1 | 3
  /** Of table readings. */
  readonly backend: BackendChoice
  /** Whether PostgreSQL has a standby, which is promoted now and then. */
  readonly standby: boolean
  /** All of them unless told otherwise: who works on one need not wait for the others. */
  readonly phases: ReadonlySet<Phase>
}

export const phases = ['main', 'mosquitto', 'hostile', 'logs'] as const
export type Phase = (typeof phases)[number]

const DEFAULT_PORT_OFFSET = 20_000

/** @throws RangeError if a variable is not what it should be */
export function readSettings(env: NodeJS.ProcessEnv, defaultMinutes: number): Settings {
  const number = (name: string, otherwise: number, least: number, most: number): number => {
    const given = env[name]
    const value = given === undefined || given === '' ? otherwise : Number(given)
    if (!(value >= least && value <= most)) throw new RangeError(`${name}: expected a number from ${least} to ${most}, got "${given}"`)
    return value
  }
  // Its proxies, checks and senders connect as on a plain stack.
  if (env.MILLRACE_SECURE === '1') throw new RangeError('MILLRACE_SECURE: expected 0 or nothing, chaos has no secured stack yet')
  const local = env.MILLRACE_LOCAL === undefined || env.MILLRACE_LOCAL === '' ? '.local/chaos' : env.MILLRACE_LOCAL
  const kafkaNodes = chosenNodes(env.KAFKA_NODES)
  return {
    minutes: number('MINUTES', defaultMinutes, 0.5, 24 * 60),
    seed: Math.trunc(number('SEED', randomInt(2 ** 32), 0, 2 ** 32 - 1)),
    rate: number('RATE', 20_000, 10, 1_000_000),
    devices: Math.trunc(number('DEVICES', 200, 2, 10_000)),
    local: isAbsolute(local) ? local : join(projectRoot, local),
    portOffset: Math.trunc(number('MILLRACE_PORT_OFFSET', DEFAULT_PORT_OFFSET, 0, 55_000)),
    keep: env.KEEP === '1',
    standby: env.STANDBY === '1',
    backend: chosenBackend(env.BACKEND),
    kafkaNodes,
    phases: chosenPhases(env.PHASES, kafkaNodes),
  }
}

function chosenNodes(given: string | undefined): 1 | 3 {
  if (given === undefined || given === '' || given === '1') return 1
  if (given === '3') return 3
  throw new RangeError(`KAFKA_NODES: expected 1 or 3, got "${given}"`)
}

function chosenBackend(given: string | undefined): BackendChoice {
  if (given === undefined || given === '') return 'auto'
  const found = BACKEND_NAMES.find((name) => name === given)
  if (found === undefined) throw new RangeError(`BACKEND: expected one of ${BACKEND_NAMES.join(',')}, got "${given}"`)
  return found
}

/** What one broker alone loses of its logs, the others of three would give back to it. */
const ONE_BROKER: Phase = 'logs'

function chosenPhases(given: string | undefined, kafkaNodes: 1 | 3): ReadonlySet<Phase> {
  if (given === undefined || given === '') return new Set(phases.filter((phase) => kafkaNodes === 1 || phase !== ONE_BROKER))
  const unknown = given.split(',').find((name) => !phases.some((phase) => phase === name))
  if (unknown !== undefined) throw new RangeError(`PHASES: expected some of ${phases.join(',')}, got "${unknown}"`)
  const chosen = new Set(phases.filter((phase) => given.split(',').includes(phase)))
  if (kafkaNodes === 3 && chosen.has(ONE_BROKER)) throw new RangeError(`PHASES: ${ONE_BROKER} is of one broker, not of KAFKA_NODES=3`)
  return chosen
}
