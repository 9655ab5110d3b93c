import { Command, Option } from '@commander-js/extra-typings'
import { CONFIG, examples, exits, positive } from './command-line.ts'

export const topics = new Command('topics')
  // Of two commands that have --config, the one that it stands behind gets it.
  .enablePositionalOptions()
  .summary('list the topics and their partitions; give all of them more')
  .description('How many partitions each topic of the line has. Partitions can be added while everything runs: docs/partitions.md.')
  .addOption(
    new Option('--partitions <n>', 'give every topic so many; partitions are never taken away').argParser(
      positive('--partitions', 'whole'),
    ),
  )
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace topics', 'millrace topics --partitions 12', 'millrace topics unknown'))
  .action(exits(async (options) => (await import('./topics.ts')).topics(options)))

topics
  .command('unknown')
  .summary('list MQTT topics that no route and no dialect takes')
  .description(
    'MQTT topics that the bridge has seen since its start and that no route and no dialect takes, with an example of each. With `bridge.unknown_topics: count` or `dead-letter` it subscribes to all topics that the broker lets it read.',
  )
  .option('--json', 'print it as JSON, with times and the beginning of the last payload of each')
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace topics unknown', 'millrace topics unknown --json'))
  .action(exits(async (options) => (await import('./unknown-topics.ts')).unknownTopics(options)))
