import { Command, Option } from '@commander-js/extra-typings'
import { CONFIG, duration, examples, exits, positive, text, UsageError } from './command-line.ts'

const ACCOUNT = new Option('--account <name>', 'of this account; otherwise of all').argParser(text('--account'))
const OWNER = new Option('--account <name>', 'whose').argParser(text('--account')).makeOptionMandatory()

/** Parses a number, which may be negative. */
function number(option: string): (given: string) => number {
  return (given) => {
    const value = /^[+-]?\d+(\.\d+)?$/.test(given) ? Number(given) : Number.NaN
    if (!Number.isFinite(value)) throw new UsageError(`${option}: expected a number such as 35 or -0.5, got ${JSON.stringify(given)}`)
    return value
  }
}

export const alerts = new Command('alerts')
  .summary('rules of alerts, and the alerts that they gave')
  .description('Rules of alerts, and the alerts that they gave. The process alerts judges by them: name it in `processors`.')

alerts
  .command('list')
  .description('Alerts, the newest first: account, rule, device, when it was opened and closed, and why.')
  .addOption(ACCOUNT)
  .option('--open', 'only those that are open')
  .addOption(new Option('--most <n>', 'how many').argParser(positive('--most', 'whole')).default(100))
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace alerts list --open', 'millrace alerts list --account demo --most 20'))
  .action(exits(async (options) => (await import('./alerts.ts')).showAlerts(options)))

const rules = alerts.command('rules').summary('add, list and remove rules').description('Rules of alerts. A change holds within seconds.')

rules
  .command('add')
  .description('Adds a rule of an account: for all its devices, or for those that are named.')
  .argument('<name>', 'what it is called in alerts')
  .addOption(OWNER)
  .addOption(
    new Option(
      '--kind <kind>',
      'threshold: a value beyond a level. rate: its change an hour. silence: no reading for a time. night-drop: a value so far below the highest of the night',
    )
      .choices(['threshold', 'rate', 'silence', 'night-drop'] as const)
      .makeOptionMandatory(),
  )
  .addOption(
    new Option('--quantity <name>', 'a standard quantity: docs/quantities.md; weight for night-drop').argParser(text('--quantity')),
  )
  .addOption(new Option('--above <level>', 'opens above this value, or rate an hour').argParser(number('--above')))
  .addOption(new Option('--below <level>', 'opens below this value, or rate an hour').argParser(number('--below')))
  .addOption(new Option('--drop <amount>', 'of night-drop: opens at a drop of more than this').argParser(number('--drop')))
  .addOption(
    new Option('--clear <level>', 'closes at this level; otherwise at the one that opens it, and at half of a drop').argParser(
      number('--clear'),
    ),
  )
  .addOption(new Option('--for <duration>', 'how long a breach lasts before it opens; of silence, how long').argParser(duration('--for')))
  .addOption(
    new Option('--window <duration>', 'of rate: between samples at least so far apart; 10m if it is not given').argParser(
      duration('--window'),
    ),
  )
  .addOption(new Option('--zone <zone>', 'of night-drop: whose clocks, as in Europe/Berlin').argParser(text('--zone')))
  .addOption(
    new Option('--night <hours>', 'of night-drop: from when to when, as in 22:00-05:00, which is otherwise meant').argParser(
      text('--night'),
    ),
  )
  .option('--device <id...>', 'only these devices')
  .option('--site <name...>', 'only devices at these sites')
  .addOption(CONFIG)
  .addHelpText(
    'after',
    examples(
      'millrace alerts rules add too-hot --account demo --kind threshold --quantity temperature --above 38 --clear 36 --for 10m',
      'millrace alerts rules add swarm --account demo --kind rate --quantity weight --below -2 --window 15m',
      'millrace alerts rules add silent --account demo --kind silence --for 2h',
      'millrace alerts rules add robbed --account demo --kind night-drop --drop 3 --zone Europe/Berlin --night 22:00-05:00',
    ),
  )
  .action(exits(async (name, options) => (await import('./alerts.ts')).addAlertRule(name, options)))

rules
  .command('list')
  .description('Rules, with how many alerts of each are open.')
  .addOption(ACCOUNT)
  .addOption(CONFIG)
  .action(exits(async (options) => (await import('./alerts.ts')).showRules(options)))

rules
  .command('remove')
  .description('Removes a rule. Its open alerts are closed; what it gave stays.')
  .argument('<name>', 'of the rule')
  .addOption(OWNER)
  .addOption(CONFIG)
  .action(exits(async (name, options) => (await import('./alerts.ts')).removeAlertRule(name, options)))

const webhooks = alerts
  .command('webhooks')
  .summary('add, list and remove webhooks')
  .description('Addresses of accounts that get a signed message for each alert that is opened or closed.')

webhooks
  .command('add')
  .description('Adds a webhook, and prints the secret of its signatures: it is shown this once.')
  .argument('<url>', 'http or https; webhooks.private_addresses of the configuration says which addresses')
  .addOption(OWNER)
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace alerts webhooks add --account demo https://example.org/hooks/bees'))
  .action(exits(async (url, options) => (await import('./webhooks.ts')).addAlertWebhook(url, options)))

webhooks
  .command('list')
  .description('Webhooks, with how many messages wait or have failed for good, and the last error.')
  .addOption(ACCOUNT)
  .addOption(CONFIG)
  .action(exits(async (options) => (await import('./webhooks.ts')).showWebhooks(options)))

webhooks
  .command('retry')
  .description('Sends again what has failed for good at a webhook, in its old order, and what waits for it at once.')
  .argument('<webhook>', 'its number, as webhooks list says', positive('<webhook>', 'whole'))
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace alerts webhooks retry 3'))
  .action(exits(async (id, options) => (await import('./webhooks.ts')).retryWebhook(id, options)))

webhooks
  .command('remove')
  .description('Removes a webhook. What waits for it is not sent, and is deleted within seconds.')
  .argument('<url>', 'as it was added')
  .addOption(OWNER)
  .addOption(CONFIG)
  .action(exits(async (url, options) => (await import('./webhooks.ts')).removeAlertWebhook(url, options)))
