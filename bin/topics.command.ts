import { Command, Option } from '@commander-js/extra-typings'
import { CONFIG, examples, exits, moment, positive, text } from './command-line.ts'

const AN_HOUR_MS = 3_600_000

export const topics = new Command('topics')
  // Of two commands that have --config, the one that it stands behind gets it.
  .enablePositionalOptions()
  .summary('list the topics and their partitions; give all of them more; show records')
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

topics
  .command('show')
  .summary('show the newest records of a topic')
  .description(
    'The newest records of any topic of Kafka, decoded, each as a line of JSON: Avro by its schema in the registry, JSON as it is, anything else as base64. It reads without a trace. Exits with 1 if there is no record.',
  )
  .argument('<topic>', 'of Kafka, as in frost-alert.alerts')
  .addOption(new Option('--device <id>', 'of one device only: the key of the record').argParser(text('--device')))
  .addOption(
    new Option('--from <time>', 'received at or after this: a time with its zone (2026-11-23T04:00:00Z) or an age (90s, 15m, 2h, 3d)')
      .argParser(moment('--from'))
      .default(undefined, '1h'),
  )
  .addOption(new Option('--most <n>', 'most records: the newest are shown').argParser(positive('--most', 'whole')).default(10))
  .addOption(
    new Option('--wait <seconds>', 'if there is no record, wait so long for the first').argParser(positive('--wait', 'any')).default(0),
  )
  .addOption(CONFIG)
  .addHelpText(
    'after',
    examples('millrace topics show frost-alert.alerts --wait 30', 'millrace topics show telemetry.readings --device my-hive --most 1'),
  )
  .action(
    exits(async (topic, { from = Date.now() - AN_HOUR_MS, ...options }) => (await import('./topics.ts')).show(topic, { ...options, from })),
  )

topics
  .command('archive')
  .summary('keep what devices sent in files, for longer than Kafka does')
  .description(
    'Takes records of frames and raw messages, of days that are over, to the files of storage.archive_frames, and removes files by storage.archive_frames_retention_days: docs/frames-archive.md. The store does the same by itself. Exits with 1 if something failed, or Kafka had deleted records before they were archived.',
  )
  .option('--json', 'a line of JSON for each file')
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace topics archive'))
  .action(exits(async (options) => (await import('./frames-archive.ts')).archiveFrames(options)))
