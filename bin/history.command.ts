import { Command, Option } from '@commander-js/extra-typings'
import { CONFIG, duration, examples, exits, moment, several } from './command-line.ts'
import { FORMAT, OUT, SPREADSHEET } from './row-options.ts'

const TIME = 'a time with its zone (2026-11-23T04:00:00Z) or an age (90s, 15m, 2h, 3d)'

export const history = new Command('history')
  .summary('write the readings of devices, as they are or by time buckets, from table and archive')
  .description(
    'Writes the readings of devices, from the table and from the archive: docs/history.md. Any number of them takes the same memory. Ctrl-C ends the output as a valid file of what was written, and exits with 1.',
  )
  .addOption(new Option('--device <id>', 'whose readings; may be given several times').argParser(several('--device')).makeOptionMandatory())
  .addOption(new Option('--from <time>', `measured at or after this: ${TIME}`).argParser(moment('--from')).makeOptionMandatory())
  .addOption(new Option('--to <time>', 'measured before this; otherwise now').argParser(moment('--to')))
  .addOption(
    new Option(
      '--every <duration>',
      'figures of each time bucket (15m, 1h, 1d, 7d) and quantity, in place of readings; hours and days come from roll-ups',
    ).argParser(duration('--every', { least: 1, most: 366 * 86_400 })),
  )
  .addOption(
    new Option('--quantity <name>', 'only this quantity, as in temperature; may be given several times').argParser(several('--quantity')),
  )
  .addOption(FORMAT)
  .addOption(OUT)
  .addOption(SPREADSHEET)
  .addOption(CONFIG)
  .addHelpText(
    'after',
    examples(
      'millrace history --device hive-1 --from 2h',
      'millrace history --device hive-1 --from 2026-11-01T00:00Z --to 2026-12-01T00:00Z --every 1h --format csv --out november.csv',
      'millrace history --device hive-1 --device hive-2 --from 30d --quantity temperature --format parquet --out temperatures.parquet',
    ),
  )
  .action(exits(async (options) => (await import('./history.ts')).history(options)))
