import { Command } from '@commander-js/extra-typings'
import { CONFIG, exits } from './command-line.ts'

export const partitions = new Command('partitions')
  .summary('list the partitions of readings and what is planned for each; give rows outside them their own')
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
