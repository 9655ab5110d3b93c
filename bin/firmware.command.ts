import { Command, Option } from '@commander-js/extra-typings'
import { CONFIG, examples, exits, moment, positive, text } from './command-line.ts'

const HOUR_MS = 3_600_000

export const firmware = new Command('firmware')
  .summary('say which devices run which firmware, what it measures, and what nobody knows')
  .description(
    'Which firmware or dialect how many devices run, what it measures with which conversion, which are registered and used by nobody, which devices run one that is not registered, and what was sent that nobody knows (docs/firmware-schema.md). Writes nothing.',
  )
  .addOption(
    new Option('--firmware <name>', 'one only, with its fields and devices: hive-1, tasmota@3')
      .argParser(text('--firmware'))
      .conflicts('device'),
  )
  .addOption(new Option('--device <id>', 'one device only').argParser(text('--device')))
  .addOption(
    new Option(
      '--since <time>',
      'look at readings since: a time with its zone (2026-11-23T04:00:00Z) or an age (90s, 15m, 2h, 3d); an hour ago if absent',
    ).argParser(moment('--since')),
  )
  .addOption(
    new Option('--most-records <n>', 'read at most so many records of readings, the newest')
      .argParser(positive('--most-records', 'whole'))
      .default(2_000_000),
  )
  .option('--json', 'as JSON, with every device')
  .addOption(CONFIG)
  .addHelpText(
    'after',
    examples('millrace firmware', 'millrace firmware --firmware hive-1', 'millrace firmware --device my-hive --since 3d'),
  )
  .action(
    exits(async ({ since = Date.now() - HOUR_MS, ...options }) => (await import('./firmware.ts')).firmwareCoverage({ ...options, since })),
  )
