import { Command } from '@commander-js/extra-typings'
import { CONFIG, exits } from './command-line.ts'

export const status = new Command('status')
  .summary('show what passes at each step of the line, each second')
  .description('Shows what passes at each step of the line, each second, until Ctrl-C. Not on a terminal: a line each 5 seconds.')
  .addOption(CONFIG)
  .action(exits(async (options) => (await import('./status.ts')).status(options)))
