import { Command } from '@commander-js/extra-typings'
import { CONFIG, exits } from './command-line.ts'

export const lag = new Command('lag')
  .summary('say how far each consumer group is behind')
  .description('Says how far each consumer group is behind, by partition. Asks Kafka, or the database that keeps the offsets of the group.')
  .addOption(CONFIG)
  .action(exits(async (options) => (await import('./lag.ts')).lag(options)))
