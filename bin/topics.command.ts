import { Command, Option } from '@commander-js/extra-typings'
import { CONFIG, examples, exits, positive } from './command-line.ts'

export const topics = new Command('topics')
  .summary('list the topics and their partitions; give all of them more')
  .description('How many partitions each topic of the line has. Partitions can be added while everything runs: docs/partitions.md.')
  .addOption(
    new Option('--partitions <n>', 'give every topic so many; partitions are never taken away').argParser(
      positive('--partitions', 'whole'),
    ),
  )
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace topics', 'millrace topics --partitions 12'))
  .action(exits(async (options) => (await import('./topics.ts')).topics(options)))
