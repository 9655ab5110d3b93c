import { Command, Option } from '@commander-js/extra-typings'
import { CONFIG, examples, exits, moment, positive, text } from './command-line.ts'

export const continuity = new Command('continuity')
  .summary('say where every frame is: stored, dead-lettered, in flight or missing')
  .description(
    'Says of every frame that a device numbered: stored, dead-lettered, in flight or missing (docs/continuity.md). Writes nothing. Exits with 1 if the states do not add up, or cannot be told.',
  )
  .addOption(new Option('--device <id>', 'of one device only').argParser(text('--device')))
  .addOption(
    new Option(
      '--since <time>',
      'boots heard of since: a time with its zone (2026-11-23T04:00:00Z) or an age (90s, 15m, 2h, 3d)',
    ).argParser(moment('--since')),
  )
  .option('--all', 'also list what is complete')
  .option('--json', 'as JSON')
  .addOption(
    // Reading so many takes about ten seconds.
    new Option('--most-records <n>', 'read at most so many records from Kafka for what the ledger has not written yet')
      .argParser(positive('--most-records', 'whole'))
      .default(2_000_000),
  )
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace continuity', 'millrace continuity --device my-hive --since 2d'))
  .action(exits(async (options) => (await import('./continuity.ts')).continuity(options)))
