import { Command } from '@commander-js/extra-typings'
import { CONFIG, examples, exits } from './command-line.ts'

export const bridge = new Command('bridge')
  .summary('forward MQTT to Kafka')
  .description('Forwards MQTT to Kafka, until SIGINT or SIGTERM: a message is acknowledged once Kafka has it.')
  .addOption(CONFIG)
  .action(exits(async (options) => (await import('./services.ts')).run(['bridge'], options)))

export const run = new Command('run')
  .summary('run processors')
  .description('Runs processors, each as a member of its own consumer group, until SIGINT or SIGTERM.')
  .argument('<processor...>', 'folders of processors/, as in standardise, or paths, as in ./examples/frost-alert')
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace run standardise', 'millrace run devices continuity --config /etc/millrace.yaml'))
  .action(exits(async (names, options) => (await import('./services.ts')).run(names, options)))

export const store = new Command('store')
  .summary('write readings to the telemetry database')
  .description('Writes readings to the telemetry database, until SIGINT or SIGTERM: rows and offsets in one transaction.')
  .addOption(CONFIG)
  .action(exits(async (options) => (await import('./services.ts')).run(['store'], options)))
