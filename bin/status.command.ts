import { Command, Option } from '@commander-js/extra-typings'
import { CONFIG, examples, exits, positive } from './command-line.ts'

export const status = new Command('status')
  .summary('show what passes at each step of the line, each second')
  .description('Shows what passes at each step of the line, each second, until Ctrl-C. Not on a terminal: a line each 5 seconds.')
  .argument('[service...]', 'with --wait: wait for these only')
  .addOption(
    new Option(
      '--wait <seconds>',
      'show nothing, but wait so long until every service of the configuration, or each that is named, says that it is healthy; exits with 1 and the reasons if one does not',
    ).argParser(positive('--wait', 'any')),
  )
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace status', 'millrace status --wait 60', 'millrace status --wait 60 bridge store'))
  .action(exits(async (services, options) => (await import('./status.ts')).status(services, options)))
