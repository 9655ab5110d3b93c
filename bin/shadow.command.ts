import { Command, Option } from '@commander-js/extra-typings'
import { CONFIG, examples, exits, moment, positive, text } from './command-line.ts'

const TIME = 'a time with its zone (2026-11-23T04:00:00Z) or an age (90s, 15m, 2h, 3d)'
const device = text('--device')

export const shadow = new Command('shadow')
  .summary('run the working copy of a processor beside the deployed one')
  .description(
    'Runs the working copy of a processor over a past slice of its topic, and compares its outputs with those of the deployed one, record by record. Nothing is published, and nothing committed: see docs/shadow.md. Exits with 0 if nothing differs, 1 if something does, 2 if nothing was compared.',
  )
  .argument('<processor>', 'a folder of processors/, or a path to one: the folder has the name of the deployed one')
  .addOption(new Option('--from <time>', `inputs received at or after this: ${TIME}`).argParser(moment('--from')).makeOptionMandatory())
  .addOption(new Option('--to <time>', 'inputs received before this; otherwise now').argParser(moment('--to')))
  .addOption(
    new Option('--device <id>', 'inputs of this key only; may be given more than once').argParser(
      (given: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), device(given)],
    ),
  )
  .addOption(
    new Option('--most <n>', 'at most so many inputs; otherwise all, and 5,000 of a business process').argParser(
      positive('--most', 'whole'),
    ),
  )
  .option('--json', 'the result as JSON')
  .addOption(CONFIG)
  .addHelpText(
    'after',
    examples('millrace shadow standardise --from 2h --to 1h', 'millrace shadow ./frost-alert --from 1d --device hive-1 --json'),
  )
  .action(exits(async (processor, options) => (await import('./shadow.ts')).shadow(processor, options)))
