import { Command, Option } from '@commander-js/extra-typings'
import { CONFIG, examples, exits, positive } from './command-line.ts'
import { DEVICE, FINGERPRINT, FROM, REASON, TO } from './dead-letter-options.ts'

export const redrive = new Command('redrive')
  .summary('run a processor over its own dead letters')
  .description('Runs a processor over its own dead letters: see docs/dead-letters.md. Exits with 1 if it was interrupted.')
  .argument('<processor>', 'bridge, store, or a folder of processors/')
  .addOption(REASON)
  .addOption(DEVICE)
  .addOption(FINGERPRINT)
  .addOption(FROM)
  .addOption(TO)
  .option('--dry-run', 'only say what would happen, by reason')
  .addOption(new Option('--rate <n>', 'dead letters a second; without it, as fast as it goes').argParser(positive('--rate', 'any')))
  .addOption(
    new Option('--max-attempts <n>', 'leave alone dead letters that have failed so often')
      .argParser(positive('--max-attempts', 'whole'))
      .default(5),
  )
  .addOption(CONFIG)
  .addHelpText(
    'after',
    examples(
      'millrace redrive standardise --reason unknown-device --dry-run',
      'millrace redrive standardise --reason unknown-device --rate 500',
    ),
  )
  .action(exits(async (processor, options) => (await import('./redrive.ts')).redrive(processor, options)))
