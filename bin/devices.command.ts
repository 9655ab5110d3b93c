import { Argument, Command, Option } from '@commander-js/extra-typings'
import { CONFIG, duration, examples, exits, moment, text } from './command-line.ts'
import { addCredentialCommands, CERTIFICATE, CSR, OUT, PASSWORD } from './device-credentials.command.ts'

const IDS = 'device IDs; - alone reads them from standard input, with blanks or new lines between'
const ACCOUNT = new Option('--account <name>', 'whose they are').argParser(text('--account')).makeOptionMandatory()
const SITE = new Option('--site <name>', 'where they are').argParser(text('--site'))
const VIA = new Option('--via <gateway>', 'gateway that may speak for them: the identity in the topic of its messages').argParser(
  text('--via'),
)
const TIME = 'a time with its zone (2026-11-23T04:00:00Z) or an age (90s, 15m, 2h, 3d)'

export const devices = new Command('devices')
  .alias('device')
  .summary('provision devices, their assignments and credentials')
  .description('Devices, the account and site that each has been assigned to, and what each proves to the broker who it is with.')

devices
  .command('add')
  .description(
    'Provisions devices, and assigns those that are new; with --password, --certificate or --csr it gives credentials to those that have none.',
  )
  .addArgument(new Argument('<id...>', IDS))
  .addOption(new Option('--from <time>', `since when: ${TIME}; without it, since ever`).argParser(moment('--from')))
  .addOption(ACCOUNT)
  .addOption(SITE)
  .addOption(VIA)
  .addOption(PASSWORD)
  .addOption(CERTIFICATE)
  .addOption(CSR)
  .addOption(OUT)
  .addOption(CONFIG)
  .addHelpText(
    'after',
    examples(
      'millrace devices add --account demo --site orchard my-hive',
      'millrace devices add --account demo - < ids.txt',
      'millrace devices add --account demo --via gateway-1 my-tag',
      'millrace devices add --account demo --password my-hive',
    ),
  )
  .action(exits(async (ids, options) => (await import('./add-devices.ts')).addDevices(ids, options)))

devices
  .command('import')
  .description('Does what add does for the devices of a list, which may go to many accounts.')
  .addArgument(
    new Argument('<csv>', 'a file with a header and the columns device, and account, site, via; what a row leaves empty, an option says'),
  )
  .addOption(new Option('--from <time>', `since when: ${TIME}; without it, since ever`).argParser(moment('--from')))
  .addOption(new Option('--account <name>', 'whose they are').argParser(text('--account')))
  .addOption(SITE)
  .addOption(VIA)
  .addOption(PASSWORD)
  .addOption(CERTIFICATE)
  .addOption(CSR)
  .addOption(OUT)
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace devices import --certificate --out fleet/ fleet.csv'))
  .action(exits(async (csv, options) => (await import('./add-devices.ts')).importDevices(csv, options)))

devices
  .command('move')
  .description('Ends the current assignment of devices and begins another.')
  .addArgument(new Argument('<id...>', IDS))
  .addOption(new Option('--at <time>', `when: ${TIME}; without it, now`).argParser(moment('--at')))
  .addOption(ACCOUNT)
  .addOption(SITE)
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace devices move --account demo --site storage --at 2h my-hive'))
  .action(exits(async (ids, options) => (await import('./devices.ts')).moveDevices(ids, options)))

devices
  .command('swap')
  .description(
    'Puts a device in the place of another: what OLD measured is measured by NEW from a moment on, with the same assignments. NEW is created if it is not known. A repeat changes nothing; swapping them back at the same time takes it back.',
  )
  .addArgument(new Argument('<old>', 'device that was taken off'))
  .addArgument(new Argument('<new>', 'device that was put in its place'))
  .addOption(new Option('--at <time>', `when: ${TIME}; without it, now`).argParser(moment('--at')))
  .option('--spare', 'NEW may have stood at a site until then: it measured nothing there that is still of interest')
  .addOption(CONFIG)
  .addHelpText(
    'after',
    examples('millrace devices swap my-hive my-new-tag', 'millrace devices swap my-hive my-new-tag --at 2026-11-23T04:00:00Z'),
  )
  .action(exits(async (old, replacement, options) => (await import('./swap.ts')).swap(old, replacement, options)))

devices
  .command('history')
  .description(
    'Which devices measured what, and when: of a device, or of what is measured, which is named by its first device. Separated by tabs: what is measured, device, from, to; - for no limit.',
  )
  .addArgument(new Argument('<name>', 'device, or what is measured'))
  .addOption(CONFIG)
  .action(exits(async (name, options) => (await import('./swap.ts')).history(name, options)))

devices
  .command('via')
  .description(
    'Lets a gateway speak for devices: its messages may name them. Without a pattern it lists the rules, separated by tabs. A rule holds for devices that are added later, too.',
  )
  .addArgument(new Argument('[gateway]', 'identity in the topic of its messages, which is the key of its raw records'))
  .addArgument(new Argument('[pattern...]', 'device IDs, or patterns: * stands for any characters, or none'))
  .option('--remove', 'the gateway may no longer speak for these')
  .addOption(CONFIG)
  .addHelpText(
    'after',
    examples(
      "millrace devices via gateway-1 my-tag 'silo-*'",
      "millrace devices via gateway-1 'silo-*' --remove",
      'millrace devices via gateway-1',
    ),
  )
  .action(exits(async (gateway, patterns, options) => (await import('./gateways.ts')).gatewayRules(gateway, patterns, options)))

devices
  .command('silent-after')
  .description(
    'Sets after how long without a sign a device is silent, for devices that report less often, or should report more often, than each hour.',
  )
  .addArgument(
    new Argument('<time>', 'a duration from 1m to 365d, or "usual": an hour').argParser((given) =>
      given === 'usual' ? null : duration('time', { least: 60, most: 31_536_000 })(given),
    ),
  )
  .addArgument(new Argument('<id...>', IDS))
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace devices silent-after 2d my-hive', 'millrace devices silent-after usual - < ids.txt'))
  .action(exits(async (time, ids, options) => (await import('./devices.ts')).setSilentAfter(time, ids, options)))

devices
  .command('list')
  .description(
    'Known devices, one a line, separated by tabs: account, site, state, the gateways that may speak for it, firmware, boot, last contact, battery. What each means: docs/processes/devices.md.',
  )
  .option('--silent', 'only those that are silent')
  .option('--json', 'as JSON, with all times')
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace devices list --silent'))
  .action(exits(async (options) => (await import('./device-list.ts')).listDevices(options)))

addCredentialCommands(devices)
