import { Command } from '@commander-js/extra-typings'
import { CONFIG, exits, UsageError } from './command-line.ts'

export const partitions = new Command('partitions')
  .summary('list the partitions of readings and what is planned for each; give rows outside them their own; archive old days')
  .description('The partitions, or chunks, of table readings, and rows that lie outside them: docs/storage.md. Without drain it is list.')

partitions
  .command('list', { isDefault: true })
  .description(
    'Lists partitions with range, estimated rows, sizes, state and what is planned, and rows outside them by day. Exits with 1 if there are such rows.',
  )
  .option('--json', 'one JSON document')
  .addOption(CONFIG)
  .action(exits(async (options) => (await import('./partitions.ts')).listPartitions(options)))

partitions
  .command('drain')
  .description(
    'Moves rows that lie outside the partitions into partitions of their own, some at a time, while writers go on. Exits with 1 if rows are left outside.',
  )
  .addOption(CONFIG)
  .action(exits(async (options) => (await import('./partitions.ts')).drainPartitions(options)))

partitions
  .command('archive')
  .description(
    'Takes days of readings that are over for storage.archive_after_days to the archive, merges late rows into it, and removes days by storage.archive_retention_days: docs/archive.md. The store does the same by itself. Exits with 1 if a day that is due stays.',
  )
  .option('--day <day>', 'only this day (UTC), as in 2026-11-23, however old it is', day)
  .option('--dry-run', 'say what would be done')
  .option('--adopt', 'merge into files that this database does not know of, as after it was restored from a backup')
  .option('--json', 'a JSON object a line for each thing done')
  .addOption(CONFIG)
  .action(exits(async (options) => (await import('./archive.ts')).archivePartitions(options)))

partitions
  .command('restore')
  .description(
    'Brings an archived day back into table readings, verified by its manifest, and removes its file. It stays in the table until `millrace partitions archive --day`. Exits with 1 if the day stays in the archive.',
  )
  .argument('<day>', 'day (UTC), as in 2026-11-23', day)
  .option('--json', 'a JSON object a line for each thing done')
  .addOption(CONFIG)
  .action(exits(async (given, options) => (await import('./archive.ts')).restorePartition(given, options)))

function day(given: string): string {
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(given) ? Date.parse(`${given}T00:00:00Z`) : Number.NaN
  if (Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 10) !== given)
    throw new UsageError(`expected a day as in 2026-11-23, got ${JSON.stringify(given)}`)
  return given
}
