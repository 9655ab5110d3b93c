import { Command } from '@commander-js/extra-typings'
import { CONFIG, exits } from './command-line.ts'

export const demo = new Command('demo')
  .summary('run everything on this machine with simulated devices, or send a file through it (`make run`)')
  .description(
    'Starts everything on this machine and drives it, with simulated devices until Ctrl-C, or with a file. `make run` builds it first.',
  )
  .argument('[file]', 'CSV (time,device,quantity…) to be sent through the line and accounted for')
  .option('--round', 'round what no firmware can hold')
  .addOption(CONFIG)
  .action(exits(async (file, options) => (await import('./demo.ts')).demo(file, options)))
