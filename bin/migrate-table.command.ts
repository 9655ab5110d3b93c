import { Command, Option } from '@commander-js/extra-typings'
import { CONFIG, examples, exits, moment, text, UsageError } from './command-line.ts'

/** Parses OWN=OURS, again and again. */
function mapping(given: string, before: Readonly<Record<string, string>> | undefined): Readonly<Record<string, string>> {
  const [, own, ours] = /^([^=]+)=([^=]+)$/.exec(given) ?? []
  if (own === undefined || ours === undefined)
    throw new UsageError(`--map: expected OWN=OURS, as in temp=temperature, got ${JSON.stringify(given)}`)
  if (before !== undefined && Object.hasOwn(before, own)) throw new UsageError(`--map: column ${JSON.stringify(own)} is given twice`)
  return { ...before, [own]: ours }
}

function columns(option: string): (given: string) => readonly string[] {
  return (given) => {
    const names = text(option)(given).split(',')
    if (names.some((name) => name.trim() === ''))
      throw new UsageError(`${option}: expected columns, as in device,time, got ${JSON.stringify(given)}`)
    return names
  }
}

export const migrateTable = new Command('migrate-table')
  .summary('make a large table partitioned, or the past of readings, while writers go on')
  .description(
    'Makes a plain table of many rows a partitioned one, or a hypertable, or the past of readings, while writers go on: docs/migrate-table.md. A run that was cut off goes on when it is started again, without the options.',
  )
  .argument('<table>', 'table of the telemetry database')
  .addOption(new Option('--time <column>', 'column that has the time').argParser(text('--time')))
  .addOption(
    new Option('--device <column>', 'column that has the device: the table becomes the past of readings').argParser(text('--device')),
  )
  .addOption(new Option('--map <own=ours>', 'what a column is in readings, as in temp=temperature; may be repeated').argParser(mapping))
  .addOption(new Option('--keep <columns>', 'columns that readings gets under their names').argParser(columns('--keep')))
  .addOption(new Option('--key <columns>', 'unique key of a table that keeps its columns, the time among it').argParser(columns('--key')))
  .addOption(
    new Option('--cut <time>', 'where the old part ends; otherwise the midnight (UTC) after the next one').argParser(moment('--cut')),
  )
  .option('--copy', 'copy the rows, which may change the types of columns; always so on TimescaleDB')
  .option('--dry-run', 'only say what would be done: SQL, locks, time and disk')
  .addOption(new Option('--undo', 'back to the table as it was').conflicts(['dryRun', 'finish']))
  .addOption(new Option('--finish', 'give up the way back').conflicts(['dryRun', 'undo']))
  .addOption(CONFIG)
  .addHelpText(
    'after',
    examples(
      'millrace migrate-table sensor_data --time recorded_at --device sensor_id --map temp=temperature --keep id --dry-run',
      'millrace migrate-table events --time created_at --key id,created_at',
      'millrace migrate-table sensor_data --finish',
    ),
  )
  .action(exits(async (table, options) => (await import('./migrate-table.ts')).migrateTable(table, options)))
