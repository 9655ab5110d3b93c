import { Command } from '@commander-js/extra-typings'
import { CONFIG, exits } from './command-line.ts'

export const partitions = new Command('partitions')
  .summary('list the partitions of readings and the rows outside them; give these partitions of their own')
  .description('The partitions of table readings, and rows that lie outside them. Without drain it is list.')

partitions
  .command('list', { isDefault: true })
  .description('Lists partitions, and rows outside them by day. Exits with 1 if there are such rows.')
  .addOption(CONFIG)
  .action(exits(async (options) => (await import('./partitions.ts')).listPartitions(options)))

partitions
  .command('drain')
  .description(
    'Gives each day of such rows its partition, in a transaction each that writers wait for. Exits with 1 if rows are left outside.',
  )
  .addOption(CONFIG)
  .action(exits(async (options) => (await import('./partitions.ts')).drainPartitions(options)))
