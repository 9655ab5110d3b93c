import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { projectRoot } from '../../schemas/files.ts'
import type { Settings } from './settings.ts'

const run = promisify(execFile)

export type Part = 'kafka' | 'registry' | 'mosquitto' | 'postgres'

/** The local stack of deploy/local, as an instance of its own. */
export interface Stack {
  /** Ports without a proxy before them. */
  readonly ports: { readonly mqtt: number; readonly postgres: number; readonly registry: number }
  /** Starts what is not running of the parts. Tries again where a part did not start in time, as on a slow machine. */
  start(...parts: readonly Part[]): Promise<void>
  /** Ends a part as a crash would: SIGKILL to all of it. */
  kill(part: Part): Promise<void>
  /** PostgreSQL's `immediate` shutdown: SIGQUIT, no checkpoint, recovery at the next start. */
  stopPostgresAtOnce(): Promise<void>
  /** Ends everything and removes the data. */
  destroy(): Promise<void>
}

const START_TRIES = 3

/** @param kafkaAdvertisedPort where Kafka tells its clients to find it */
export function createStack({ local, portOffset }: Settings, kafkaPort: number, kafkaAdvertisedPort: number): Stack {
  const env = {
    ...process.env,
    MILLRACE_LOCAL: local,
    MILLRACE_PORT_OFFSET: String(portOffset),
    MILLRACE_KAFKA_PORT: String(kafkaPort),
    MILLRACE_KAFKA_ADVERTISED_PORT: String(kafkaAdvertisedPort),
  }
  const script = (name: string, ...args: readonly string[]): Promise<unknown> => run(`${projectRoot}deploy/local/${name}`, args, { env })

  return {
    ports: { mqtt: 1883 + portOffset, postgres: 5433 + portOffset, registry: 8081 + portOffset },
    async start(...parts) {
      for (let tries = 1; ; tries++) {
        try {
          await script('start', ...parts)
          return
        } catch (cause) {
          if (tries === START_TRIES) throw new Error(`starting ${parts.join(', ')} failed ${tries} times`, { cause })
        }
      }
    },
    async kill(part) {
      await script('stop', '--kill', part)
    },
    async stopPostgresAtOnce() {
      const [pid] = (await readFile(`${local}/pid/postgres`, 'utf8')).split(' ')
      process.kill(Number(pid), 'SIGQUIT')
      // Waits for its end, and says nothing where it has ended already.
      await script('stop', 'postgres')
    },
    async destroy() {
      await script('destroy')
    },
  }
}

/** Where Kafka listens, before any proxy. */
export function kafkaPortOf({ portOffset }: Settings): number {
  return 9092 + portOffset
}
