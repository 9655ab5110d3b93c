import { Command, Option } from '@commander-js/extra-typings'
import { CONFIG, examples, exits, text } from './command-line.ts'
import { DEVICE, FINGERPRINT, FROM, REASON, TO } from './dead-letter-options.ts'

export const dead = new Command('dead')
  .summary('list dead letters by reason; show one decoded; export them')
  .description('Looks at dead letters, and changes nothing. Without show or export it is list: `millrace dead standardise --from 2h`.')

dead
  .command('list', { isDefault: true })
  .description('Dead letters by topic and reason: how many, how many are open, of how many devices, how old.')
  .argument('[processor]', 'whose dead letters; otherwise those of all')
  .addOption(REASON)
  .addOption(DEVICE)
  .addOption(FINGERPRINT)
  .addOption(FROM)
  .addOption(TO)
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace dead', 'millrace dead standardise --from 2h', 'millrace dead --device my-hive'))
  .action(exits(async (processor, options) => (await import('./dead.ts')).listDead(processor, options)))

dead
  .command('show')
  .description('One dead letter: all its fields, and its original bytes decoded as far as they can be.')
  .argument('<place>', '<topic>/<partition>/<offset>, as in standardise.dead/3/17')
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace dead show standardise.dead/3/17'))
  .action(exits(async (place, options) => (await import('./dead.ts')).showDead(place, options)))

dead
  .command('export')
  .description('Dead letters as NDJSON, the original bytes in base64.')
  .argument('<processor>', 'whose dead letters')
  .addOption(REASON)
  .addOption(DEVICE)
  .addOption(FINGERPRINT)
  .addOption(FROM)
  .addOption(TO)
  .addOption(new Option('--out <file>', 'a file that is not there yet; otherwise standard output').argParser(text('--out')))
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace dead export standardise --reason unknown-device --out dead.ndjson'))
  .action(exits(async (processor, options) => (await import('./dead.ts')).exportDead(processor, options)))
