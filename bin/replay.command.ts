import { Command, Option } from '@commander-js/extra-typings'
import { CONFIG, examples, exits, moment, positive, several, text, UsageError } from './command-line.ts'
import { FORMAT, OUT, SPREADSHEET } from './row-options.ts'

const TIME = 'a time with its zone (2026-11-23T04:00:00Z) or an age (90s, 15m, 2h, 3d)'
/** A fraction of what a disk or a gigabit network gives: the rest is the line's. */
const BYTES_PER_SECOND = 10_000_000

/** Times the original speed; undefined for as fast as can be. */
function speed(given: string): number | 'max' {
  if (given === 'max') return 'max'
  const value = /^\d+(\.\d+)?$/.test(given) ? Number(given) : Number.NaN
  if (!(value > 0 && value <= 1_000_000))
    throw new UsageError(`--speed: expected max, or a number above 0 as in 1 or 10, got ${JSON.stringify(given)}`)
  return value
}

export const replay = new Command('replay')
  .summary('write past records of a topic as rows, by device, time and condition')
  .description(
    'Reads records of a topic again and writes them as rows: docs/replay.md. It is in no consumer group and touches nobody’s place. It reads to what is the end of the topic when it begins. Exits with 1 if the counts do not add up, or it was interrupted.',
  )
  .addOption(
    new Option('--topic <topic>', 'frames, raw, status, readings, a topic of dead letters as in store.dead, or any other')
      .argParser(text('--topic'))
      .makeOptionMandatory(),
  )
  .addOption(new Option('--device <id>', 'only of this device; may be given several times').argParser(several('--device')))
  .addOption(new Option('--account <name>', 'only readings of this account, as of their own time').argParser(text('--account')))
  .addOption(new Option('--site <name>', 'only readings of this site, as of their own time').argParser(text('--site')))
  .addOption(new Option('--from <time>', `of that time or later: ${TIME}`).argParser(moment('--from')).makeOptionMandatory())
  .addOption(new Option('--to <time>', 'earlier than this; otherwise now').argParser(moment('--to')))
  .addOption(
    new Option('--by <time>', 'which time: event, of readings and frames when they were measured; or receipt by Kafka')
      .choices(['event', 'receipt'] as const)
      .default('event' as const),
  )
  .addOption(
    new Option('--where <condition>', "only rows for which it is true, as in 'temperature > 40': docs/replay.md").argParser(
      text('--where'),
    ),
  )
  .addOption(FORMAT)
  .addOption(OUT)
  .addOption(SPREADSHEET)
  .addOption(
    new Option(
      '--into <target>',
      'table:NAME: rows into a table that is not there yet; otherwise a topic, into which whole records are copied with their times and headers',
    )
      .argParser(text('--into'))
      .conflicts(['out', 'format', 'spreadsheet']),
  )
  .option('--live', '--into may be a topic that services read: they process it again')
  .addOption(new Option('--speed <factor>', 'with the gaps that records had: 1, 10; or max').argParser(speed).default('max' as const))
  .addOption(
    new Option('--max-bytes-per-second <n>', 'most that is read of Kafka')
      .argParser(positive('--max-bytes-per-second', 'whole'))
      .default(BYTES_PER_SECOND),
  )
  .option('--resume', 'go on in the file of a run that was killed or interrupted')
  .addOption(CONFIG)
  .addHelpText(
    'after',
    examples(
      'millrace replay --topic readings --device hive-1 --from 2h',
      "millrace replay --topic readings --site orchard --from 1d --where 'temperature > 40 || humidity > 90' --format parquet --out hot.parquet",
      'millrace replay --topic store.dead --from 7d --format ndjson --out dead.ndjson',
      'millrace replay --topic frames --device hive-1 --from 1h --into frames.try --speed 10',
    ),
  )
  .action(exits(async (options) => (await import('./replay.ts')).replay(options)))
