import { Argument, Command, Option } from '@commander-js/extra-typings'
import { CONFIG, examples, exits, moment, text } from './command-line.ts'

const IDS = 'device IDs; - alone reads them from standard input, with blanks or new lines between'
const ACCOUNT = new Option('--account <name>', 'whose they are').argParser(text('--account')).makeOptionMandatory()
const SITE = new Option('--site <name>', 'where they are').argParser(text('--site'))
const TIME = 'a time with its zone (2026-11-23T04:00:00Z) or an age (90s, 15m, 2h, 3d)'

export const devices = new Command('devices')
  .summary('provision devices and their assignments')
  .description('Devices, and the account and site that each has been assigned to.')

devices
  .command('add')
  .description('Provisions devices, and assigns those that are new.')
  .addArgument(new Argument('<id...>', IDS))
  .addOption(new Option('--from <time>', `since when: ${TIME}; without it, since ever`).argParser(moment('--from')))
  .addOption(ACCOUNT)
  .addOption(SITE)
  .addOption(CONFIG)
  .addHelpText(
    'after',
    examples('millrace devices add --account demo --site orchard my-hive', 'millrace devices add --account demo - < ids.txt'),
  )
  .action(exits(async (ids, options) => (await import('./devices.ts')).addDevices(ids, options)))

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
  .command('list')
  .description('Known devices, with account, site and state, separated by tabs.')
  .addOption(CONFIG)
  .action(exits(async (options) => (await import('./devices.ts')).listDevices(options)))
