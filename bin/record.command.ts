import { Command, Option } from '@commander-js/extra-typings'
import { CONFIG, examples, exits, moment, positive, text } from './command-line.ts'

const TIME = 'a time with its zone (2026-11-23T04:00:00Z) or an age (90s, 15m, 2h, 3d)'
const DEFAULT_MOST = 100

/** A device of several. */
function device(given: string, before: readonly string[] = []): readonly string[] {
  return [...before, text('--device')(given)]
}

export const record = new Command('record')
  .summary('take a test of a processor from its real topic: a golden folder')
  .description(
    'Writes a golden folder: records of devices that a processor reads, what it looks up for them, and what it makes of them now. checkGolden of millrace/testing runs it: see docs/testing-processors.md. It reads without a trace. A record that is about other devices as well is left out.',
  )
  .argument('<processor>', 'a folder of processors/, or a path to one')
  .addOption(new Option('--device <id>', 'whose records; may be given several times').argParser(device).makeOptionMandatory())
  .addOption(new Option('--from <time>', `received at or after this: ${TIME}`).argParser(moment('--from')).makeOptionMandatory())
  .addOption(new Option('--to <time>', 'received before this').argParser(moment('--to')).makeOptionMandatory())
  .addOption(new Option('--into <folder>', 'a folder that is not there yet').argParser(text('--into')).makeOptionMandatory())
  .addOption(new Option('--most <n>', 'most records: the earliest are taken').argParser(positive('--most', 'whole')).default(DEFAULT_MOST))
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace record ./frost-alert --device my-hive --from 2h --to 1h --into frost-alert/golden/cold-night'))
  .action(exits(async (processor, options) => (await import('./record.ts')).record(processor, options)))
