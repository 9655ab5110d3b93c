#!/usr/bin/env -S node --enable-source-maps
import { visible, visibleLines } from '../processors/visible.ts'
import { ConfigError } from '../services/config.ts'
import { createRedactor } from '../services/secrets.ts'

/** A command: takes its arguments, gives the exit code. */
type Command = (args: readonly string[]) => Promise<number>

/** Each is loaded when it is asked for: a service does not pay for the others. */
const commands: Readonly<Record<string, { readonly usage: string; readonly does: string; readonly load: () => Promise<Command> }>> = {
  up: {
    usage: 'up',
    does: 'run the bridge, the processors and the store, and start again what dies',
    load: async () => (await import('./up.ts')).up,
  },
  bridge: { usage: 'bridge', does: 'forward MQTT to Kafka', load: async () => (await import('./services.ts')).bridge },
  run: { usage: 'run <processor…>', does: 'run processors', load: async () => (await import('./services.ts')).run },
  store: { usage: 'store', does: 'write readings to the telemetry database', load: async () => (await import('./services.ts')).store },
  migrate: {
    usage: 'migrate',
    does: 'create or bring up to date both databases and the topics',
    load: async () => (await import('./migrate.ts')).migrate,
  },
  schemas: {
    usage: 'schemas check|register',
    does: 'check the schemas against the registry, or register them',
    load: async () => (await import('./schemas.ts')).schemas,
  },
  devices: {
    usage: 'devices add|move|list',
    does: 'provision devices and their assignments',
    load: async () => (await import('./devices.ts')).devices,
  },
  dead: {
    usage: 'dead [show|export]',
    does: 'list dead letters by reason; show one decoded; export them',
    load: async () => (await import('./dead.ts')).dead,
  },
  redrive: {
    usage: 'redrive <processor>',
    does: 'run a processor over its own dead letters (--dry-run says what would happen)',
    load: async () => (await import('./redrive.ts')).redrive,
  },
  fleet: {
    usage: 'fleet [options]',
    does: 'simulate devices (`millrace fleet --help`)',
    load: async () => (await import('./fleet.ts')).fleet,
  },
  status: {
    usage: 'status',
    does: 'show what passes at each step of the line, each second',
    load: async () => (await import('./status.ts')).status,
  },
  demo: {
    usage: 'demo [[--round] FILE.csv]',
    does: 'run everything on this machine with simulated devices, or send a file through it (`make run`)',
    load: async () => (await import('./demo.ts')).demo,
  },
  continuity: {
    usage: 'continuity [options]',
    does: 'say of every frame a device numbered: stored, dead-lettered, in flight or missing',
    load: async () => (await import('./continuity.ts')).continuity,
  },
  partitions: {
    usage: 'partitions [drain]',
    does: 'list the partitions of readings and the rows outside them; give these partitions of their own',
    load: async () => (await import('./partitions.ts')).partitions,
  },
  topics: {
    usage: 'topics [--partitions N]',
    does: 'list the topics and their partitions; give all of them more',
    load: async () => (await import('./topics.ts')).topics,
  },
  lag: { usage: 'lag', does: 'say how far each consumer group is behind', load: async () => (await import('./lag.ts')).lag },
}

function usage(): string {
  const width = Math.max(...Object.values(commands).map((command) => command.usage.length))
  const lines = Object.values(commands).map((command) => `  millrace ${command.usage.padEnd(width)}  ${command.does}`)
  return `${lines.join('\n')}

  --config FILE   configuration, default millrace.yaml where there is one (docs/configuration.md)
Addresses and secrets come from the environment: MQTT_URL, KAFKA_BROKERS, REGISTRY_URL, TELEMETRY_DATABASE_URL, APP_DATABASE_URL.
`
}

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    process.stdout.write(usage())
    return 0
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) {
    process.stderr.write(`millrace: there is no command ${visible(JSON.stringify(name))}\n\n${usage()}`)
    return 2
  }
  return (await command.load())(args)
}

/** Says what went wrong, on one line if it is no defect of ours, and gives the exit code. */
async function report(cause: unknown): Promise<number> {
  const usage = cause instanceof ConfigError || (cause as NodeJS.ErrnoException | null)?.code?.startsWith('ERR_PARSE_ARGS') === true
  // Loaded only now: it brings Kafka and PostgreSQL with it.
  const { expectedFailure } = await import('../services/expected.ts')
  const expected = usage ? (cause as Error).message : expectedFailure(cause)
  const text = expected ?? (cause instanceof Error ? (cause.stack ?? cause.message) : String(cause))
  process.stderr.write(`${visibleLines(createRedactor(process.env)(`millrace: ${text}`))}\n`)
  return usage ? 2 : 1
}

// Whoever reads what we print may have seen enough: that is no failure. What prints without end
// looks whether anybody reads it (dead export, status).
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EPIPE') throw cause
  })
process.on('uncaughtException', (cause) => {
  void report(cause).finally(() => process.exit(1))
})
try {
  process.exitCode = await main(process.argv.slice(2))
} catch (cause) {
  process.exitCode = await report(cause)
}
// What a failed command left open must not keep it alive.
if (process.exitCode !== 0) process.exit()
