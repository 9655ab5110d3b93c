import { Command, type CommanderError, type CommandUnknownOpts } from '@commander-js/extra-typings'
import { alerts } from './alerts.command.ts'
import { type ConfigOption, examples, UsageError, usageProblem } from './command-line.ts'
import { continuity } from './continuity.command.ts'
import { dead } from './dead.command.ts'
import { demo } from './demo.command.ts'
import { devices } from './devices.command.ts'
import { dialect } from './dialect.command.ts'
import { doctor } from './doctor.command.ts'
import { firmware } from './firmware.command.ts'
import { fleet } from './fleet.command.ts'
import { history } from './history.command.ts'
import { lag } from './lag.command.ts'
import { migrate } from './migrate.command.ts'
import { migrateTable } from './migrate-table.command.ts'
import { generate, newFolder } from './new.command.ts'
import { ops } from './ops.command.ts'
import { partitions } from './partitions.command.ts'
import { recompute } from './recompute.command.ts'
import { record } from './record.command.ts'
import { redrive } from './redrive.command.ts'
import { replay } from './replay.command.ts'
import { rewind } from './rewind.command.ts'
import { schemas } from './schemas.command.ts'
import { bridge, run, store } from './services.command.ts'
import { shadow } from './shadow.command.ts'
import { sites } from './sites.command.ts'
import { status } from './status.command.ts'
import { topics } from './topics.command.ts'
import { units } from './units.command.ts'
import { up } from './up.command.ts'
import { watch } from './watch.command.ts'

/**
 * Commands, grouped by their purpose. Each loads its code when it runs, so that a service does not
 * load the code of the others.
 */
const groups = {
  'The line:': [up, bridge, run, store, watch, units],
  'Writing a processor:': [newFolder, generate],
  'Before and after a change:': [migrate, migrateTable, schemas, shadow, dialect, devices, topics, partitions, record],
  'What is going on:': [status, doctor, ops, alerts, sites, lag, firmware, continuity, dead, redrive, rewind, recompute],
  'For analysts:': [history, replay],
  'Trying it out:': [demo, fleet],
} as const

const FOOTER = `
\`millrace help <command>\`, or \`millrace <command> --help\`, says more. docs/commands.md has all of them.
Addresses and secrets come from the environment: MQTT_URL, KAFKA_BROKERS, REGISTRY_URL, TELEMETRY_DATABASE_URL, APP_DATABASE_URL (docs/configuration.md).
Exit code: 0 done, 1 failed, 2 the command line or the configuration cannot be used.`

/**
 * The whole command line. Parsing throws UsageError if it is wrong, and CommanderError with exit
 * code 0 after help was shown.
 */
export function createProgram(): Command {
  const program = new Command('millrace')
    .usage('<command> [options]')
    .description('Telemetry from devices to rows, with nothing lost and nothing doubled.')
    // Options after the name of a command belong to that command.
    .enablePositionalOptions()
    .addHelpText('after', FOOTER)
    // Every command loads its code after this. Help must be there if the configuration is wrong.
    .hook('preAction', async (_, command) => {
      if (command.name() === 'help') return
      const { config }: ConfigOption = command.opts()
      const { declareConfiguredQuantities } = await import('../services/own-quantities.ts')
      declareConfiguredQuantities(process.env, config)
    })
  for (const [heading, commands] of Object.entries(groups)) {
    for (const command of commands) program.addCommand(command.helpGroup(heading))
  }
  program
    .command('help')
    .helpGroup('Trying it out:')
    .summary('say how a command is used')
    .description('Says how a command is used.')
    .addHelpText('after', examples('millrace help redrive', 'millrace help devices add'))
    .argument('[command...]')
    .action((names) => {
      let found: CommandUnknownOpts = program
      for (const name of names) {
        const next = found.commands.find((each) => isCalled(each, name))
        if (next === undefined)
          throw new UsageError(
            `there is no command ${JSON.stringify(name)}, expected one of: ${found.commands.map((each) => each.name()).join(', ')}`,
          )
        found = next
      }
      found.outputHelp()
    })
  for (const each of every(program)) {
    each
      .helpCommand(false)
      .configureOutput({ writeErr: () => undefined })
      .exitOverride((error: CommanderError) => {
        if (error.exitCode === 0) throw error
        throw new UsageError(usageProblem(each, error))
      })
  }
  return program
}

/** A command and all below it. */
export function every(command: CommandUnknownOpts): readonly CommandUnknownOpts[] {
  return [command, ...command.commands.flatMap(every)]
}

function isCalled(command: CommandUnknownOpts, name: string): boolean {
  return command.name() === name || command.aliases().includes(name)
}

/** The error of a command line, after the command's name and before a hint to its help. */
export function inCommand(program: CommandUnknownOpts, args: readonly string[], problem: string): string {
  const names: string[] = []
  let command = program
  for (const arg of args) {
    const next = command.commands.find((each) => isCalled(each, arg))
    if (next === undefined) break
    names.push(arg)
    command = next
  }
  const path = names.join(' ')
  return `${path === '' ? '' : `${path}: `}${problem}; see \`millrace ${path === '' ? '' : `${path} `}--help\``
}
