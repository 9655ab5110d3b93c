import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { projectRoot } from '../../schemas/files.ts'
import { TakenPortError } from './ports.ts'
import type { Settings } from './settings.ts'

const run = promisify(execFile)

export const kafkaBrokers = ['kafka', 'kafka2', 'kafka3'] as const
/** A broker of Kafka: the first, or one of three. */
export type KafkaBroker = (typeof kafkaBrokers)[number]
/** The two that may be servers of the databases, one of which is the primary. */
export type DatabasePart = 'postgres' | 'standby'
export type Part = KafkaBroker | 'registry' | 'mosquitto' | DatabasePart

/** The local stack of deploy/local, as an instance of its own. */
export interface Stack {
  /** Ports without a proxy before them. */
  readonly ports: { readonly mqtt: number; readonly registry: number } & Readonly<Record<DatabasePart, number>>
  /** The server that takes what is written, or will once it runs. */
  readonly primary: DatabasePart
  /**
   * Starts what is not running of the parts. Tries again where a part did not start in time, as on
   * a slow machine.
   * @throws TakenPortError at once, if somebody else has a part's port
   */
  start(...parts: readonly Part[]): Promise<void>
  /** Ends parts as a crash would: SIGKILL to all of each. */
  kill(...parts: readonly Part[]): Promise<void>
  signal(part: Part, signal: 'SIGSTOP' | 'SIGCONT'): Promise<void>
  /**
   * Ends PostgreSQL as a power cut would. Its WAL writer stands still while `until` is waited for:
   * a SIGKILL alone loses at most what 200 ms brought, for whatever was written lives on in the
   * kernel. What is committed with `synchronous_commit = off` meanwhile is lost, unless somebody
   * else's durable commit takes it along.
   */
  cutPostgresPower(until: () => Promise<void>): Promise<void>
  /** PostgreSQL's `immediate` shutdown: SIGQUIT, no checkpoint, recovery at the next start. */
  stopPostgresAtOnce(): Promise<void>
  /** The primary is ended as a crash would, and the standby takes its place. */
  promoteStandby(): Promise<void>
  /** Ends everything and removes the data. */
  destroy(): Promise<void>
}

const START_TRIES = 3

/** @param kafka variables of deploy/local for Kafka's brokers */
export function createStack({ local, portOffset, standby }: Settings, kafka: Readonly<Record<string, string>>): Stack {
  const env = {
    ...process.env,
    MILLRACE_LOCAL: local,
    MILLRACE_PORT_OFFSET: String(portOffset),
    ...kafka,
    MILLRACE_STANDBY: standby ? '1' : '0',
  }
  const script = (name: string, ...args: readonly string[]): Promise<unknown> => run(`${projectRoot}deploy/local/${name}`, args, { env })
  const primary = (): DatabasePart =>
    standby && readFileSync(`${local}/.millrace-standby`, 'utf8').trim() === 'standby' ? 'standby' : 'postgres'

  return {
    ports: { mqtt: 1883 + portOffset, postgres: 5433 + portOffset, standby: 5434 + portOffset, registry: 8081 + portOffset },
    get primary() {
      return primary()
    },
    async start(...parts) {
      for (let tries = 1; ; tries++) {
        try {
          await script('start', ...parts)
          return
        } catch (cause) {
          const said = complaints(cause)
          if (said.some((line) => line.includes(' is taken by '))) throw new TakenPortError(said.join('\n'), { cause })
          if (tries === START_TRIES) throw new Error(`starting ${parts.join(', ')} failed ${tries} times:\n${said.join('\n')}`, { cause })
        }
      }
    },
    async kill(...parts) {
      await script('stop', '--kill', ...parts)
    },
    async signal(part, signal) {
      process.kill(Number((await readFile(`${local}/pid/${part}`, 'utf8')).split(' ')[0]), signal)
    },
    async cutPostgresPower(until) {
      const [pid = ''] = (await readFile(`${local}/pid/${primary()}`, 'utf8')).split(' ')
      const children = (): readonly string[] => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
      const writer = children().find((child) => readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('walwriter'))
      if (writer === undefined) throw new Error('PostgreSQL has no WAL writer')
      process.kill(Number(writer), 'SIGSTOP')
      try {
        await until()
      } finally {
        // All at once, and here: the script takes a moment to start, and with the parent alone dead
        // the others would go on.
        for (const each of [pid, ...children()]) killIfThere(Number(each))
        await script('stop', '--kill', primary())
      }
    },
    async stopPostgresAtOnce() {
      const [pid] = (await readFile(`${local}/pid/${primary()}`, 'utf8')).split(' ')
      process.kill(Number(pid), 'SIGQUIT')
      // Waits for its end, and says nothing where it has ended already.
      await script('stop', primary())
    },
    async promoteStandby() {
      await script('promote')
    },
    async destroy() {
      await script('destroy')
    },
  }
}

/**
 * What a script of deploy/local wrote about its failure: which part, why, the last lines of its
 * log.
 */
function complaints(cause: unknown): readonly string[] {
  const { stderr } = cause as { readonly stderr?: unknown }
  return typeof stderr === 'string' && stderr.trim() !== '' ? stderr.trim().split('\n') : [String(cause)]
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (cause) {
    // A backend may have ended by itself since it was listed.
    if ((cause as NodeJS.ErrnoException).code !== 'ESRCH') throw cause
  }
}
