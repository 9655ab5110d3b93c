import { Command, Option } from '@commander-js/extra-typings'
import { CONFIG, examples, exits, positive } from './command-line.ts'

export const status = new Command('status')
  .summary('show what passes at each step of the line, each second')
  .description('Shows what passes at each step of the line, each second, until Ctrl-C. Not on a terminal: a line each 5 seconds.')
  .addOption(
    new Option(
      '--wait <seconds>',
      'show nothing, but wait so long until every service of the configuration says that it is healthy; exits with 1 and the reasons if one does not',
    ).argParser(positive('--wait', 'any')),
  )
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace status', 'millrace status --wait 60'))
  .action(exits(async (options) => (await import('./status.ts')).status(options)))
