import { Command } from '@commander-js/extra-typings'
import { CONFIG, exits } from './command-line.ts'

export const migrate = new Command('migrate')
  .summary('create or bring up to date both databases and the topics')
  .description('Brings both databases and the topics to what this version needs, and says what it did. Drops nothing.')
  .addOption(CONFIG)
  .option('--dry-run', 'print what would be done, as SQL with comments, and change nothing')
  .action(exits(async (options) => (await import('./migrate.ts')).migrate(options)))
