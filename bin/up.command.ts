import { Command } from '@commander-js/extra-typings'
import { CONFIG, exits } from './command-line.ts'

export const up = new Command('up')
  .summary('run the bridge, the processors and the store, and start again what dies')
  .description('Runs the bridge, the processors of the configuration and the store, and starts again what ends, until SIGINT or SIGTERM.')
  .addOption(CONFIG)
  .action(exits(async (options) => (await import('./up.ts')).up(options)))
