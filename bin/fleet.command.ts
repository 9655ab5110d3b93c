import { Command } from '@commander-js/extra-typings'
import { exits } from './command-line.ts'

export const fleet = new Command('fleet')
  .summary('simulate devices')
  .description(
    'Simulates devices, in the C program firmware/build/fleet: its options are its own, and `millrace fleet --help` lists them. --json sends JSON in place of frames.',
  )
  .usage('[options]')
  .argument('[options...]')
  .helpOption(false)
  .allowUnknownOption()
  .passThroughOptions()
  .action(exits(async (args) => (await import('./fleet.ts')).fleet(args)))
