import { Command } from '@commander-js/extra-typings'
import { CONFIG, duration, examples, exits } from './command-line.ts'

export const lag = new Command('lag')
  .summary('say how far each consumer group is behind, and why')
  .description(
    `Says how far each consumer group is behind: in records, in time (the age of the next record that it has not
read), whether that grows, until when it is caught up, and what it waits for. Asks Kafka, the database that
keeps the offsets of the group, and the services (docs/lag.md).`,
  )
  .addOption(CONFIG)
  .option(
    '--over <duration>',
    'time over which rates are measured; 0s for one look, without rates',
    duration('--over', { least: 0, most: 600 }),
    3,
  )
  .option('--watch', 'go on, every two seconds, until Ctrl-C')
  .option('--partitions', 'show all partitions, those too on which nothing is left to read')
  .option('--json', 'print JSON, with --watch a line for each look')
  .option(
    '--max-time-lag <duration>',
    'exit with 1 if a group has records that are older and not read, or it is not known',
    duration('--max-time-lag'),
  )
  .addHelpText(
    'after',
    examples('millrace lag', 'millrace lag --watch', 'millrace lag --json --over 10s', 'millrace lag --max-time-lag 30s'),
  )
  .action(exits(async (options) => (await import('./lag.ts')).lag(options)))
