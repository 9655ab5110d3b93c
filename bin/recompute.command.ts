import { Command, Option } from '@commander-js/extra-typings'
import { CONFIG, examples, exits, moment, positive, several, text } from './command-line.ts'

const TIME = 'a time with its zone (2026-11-23T04:00:00Z) or an age (90s, 15m, 2h, 3d)'
/** As of a replay. */
const BYTES_PER_SECOND = 10_000_000

export const recompute = new Command('recompute')
  .summary('recompute stored readings from what devices sent, with the conversions and assignments of today')
  .description(
    'Runs what devices sent through the deployed processors once more, and reports what differs from the stored rows; with --apply it replaces these, day by day, and roll-ups follow: docs/recompute.md. The line goes on meanwhile. After a kill the same command goes on. Exits with 1 if records cannot be read or were lost, or it was interrupted.',
  )
  .addOption(new Option('--device <id>', 'this device, with its channels; may be given several times').argParser(several('--device')))
  .addOption(new Option('--account <name>', 'devices that were assigned to this account in that time').argParser(text('--account')))
  .addOption(new Option('--site <name>', 'devices that were assigned to this site in that time').argParser(text('--site')))
  .addOption(new Option('--from <time>', `measured at that time or later: ${TIME}`).argParser(moment('--from')).makeOptionMandatory())
  .addOption(new Option('--to <time>', 'measured before').argParser(moment('--to')).makeOptionMandatory())
  .addOption(new Option('--apply', 'replace the rows that differ, and add those that are missing'))
  .addOption(new Option('--dry-run', 'only report what differs; so it does without --apply too').conflicts('apply'))
  .addOption(
    new Option('--delete-unbacked <what>', 'delete what no frame gives: whole rows, values in rows that have a frame, or both').choices([
      'rows',
      'values',
      'all',
    ] as const),
  )
  .addOption(
    new Option('--max-bytes-per-second <n>', 'most that is read of Kafka')
      .argParser(positive('--max-bytes-per-second', 'whole'))
      .default(BYTES_PER_SECOND),
  )
  .option('--json', 'the report as JSON')
  .addOption(CONFIG)
  .addHelpText(
    'after',
    examples(
      'millrace recompute --device hive-1 --from 2026-11-01T00:00Z --to 2026-11-08T00:00Z',
      'millrace recompute --site orchard --from 2026-11-01T00:00Z --to 2026-11-08T00:00Z --apply',
    ),
  )
  .action(exits(async (options) => (await import('./recompute.ts')).recompute(options)))
