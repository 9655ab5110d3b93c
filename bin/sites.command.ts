import { Command, Option } from '@commander-js/extra-typings'
import { CONFIG, examples, exits, moment, positive, text, UsageError } from './command-line.ts'

const MOST_RADIUS_METRES = 20_000

const ACCOUNT = new Option('--account <name>', 'of this account; otherwise of all').argParser(text('--account'))
const KIND = new Option('--kind <kind>', 'hives at an orchard are deployed, those in a storage are not').choices([
  'orchard',
  'storage',
] as const)
const RADIUS = new Option(
  '--radius <metres>',
  `hives that come to rest within it belong to the site; ${MOST_RADIUS_METRES} at most`,
).argParser(radius)
const AT = new Option('--at <lat,lon>', 'position in degrees (WGS 84)').argParser(position)
const MOST = new Option('--most <n>', 'how many').argParser(positive('--most', 'whole')).default(100)

function radius(given: string): number {
  const metres = positive('--radius', 'any')(given)
  if (metres > MOST_RADIUS_METRES) throw new UsageError(`--radius: expected at most ${MOST_RADIUS_METRES} metres, got ${given}`)
  return metres
}

/** Parses a position. */
function position(given: string): { readonly latitude: number; readonly longitude: number } {
  const [, latitude, longitude] = (/^([+-]?\d{1,2}(?:\.\d+)?), ?([+-]?\d{1,3}(?:\.\d+)?)$/.exec(given) ?? []).map(Number)
  if (latitude === undefined || longitude === undefined || Math.abs(latitude) > 90 || Math.abs(longitude) > 180)
    throw new UsageError(`--at: expected latitude and longitude in degrees, as in 51.4,7.1, got ${JSON.stringify(given)}`)
  return { latitude, longitude }
}

export const sites = new Command('sites')
  .summary('sites of accounts, how many hives are where, and when')
  .description(
    'Sites of accounts (docs/processes/sites.md), how many hives are where, and when. A site is named by its name or its number.',
  )

sites
  .command('list')
  .description('Sites: kind, position, radius, hives now, and ranges of readings that are to be recomputed.')
  .addOption(ACCOUNT)
  .option('--json', 'as JSON')
  .addOption(CONFIG)
  .action(exits(async (options) => (await import('./sites.ts')).showSites(options)))

sites
  .command('add')
  .description('Adds a site. Hives that come to rest there from now on belong to it.')
  .argument('<name>', 'what it is called')
  .addOption(new Option('--account <name>', 'whose').argParser(text('--account')).makeOptionMandatory())
  .addOption(KIND)
  .addOption(RADIUS)
  .addOption(AT)
  .addOption(CONFIG)
  .addHelpText(
    'after',
    examples(
      'millrace sites add "North orchard" --account demo --at 51.4321,7.1234',
      'millrace sites add barn --account demo --kind storage --radius 150 --at 51.4,7.1',
    ),
  )
  .action(exits(async (name, options) => (await import('./sites.ts')).addNewSite(name, options)))

sites
  .command('set')
  .description('Changes a site: what is given. If its kind is changed, its history is that of the new kind. Assignments stay as they are.')
  .argument('<site>', 'name or number')
  .addOption(ACCOUNT)
  .addOption(KIND)
  .addOption(new Option('--name <name>', 'what it is called from now on').argParser(text('--name')))
  .addOption(RADIUS)
  .addOption(AT)
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace sites set 12 --name "North orchard" --radius 800', 'millrace sites set barn --kind storage'))
  .action(exits(async (site, options) => (await import('./sites.ts')).setSite(site, options)))

sites
  .command('merge')
  .description(
    'Makes one site of two of an account: all that was ever at the first was at the second. The first is gone. This cannot be undone.',
  )
  .argument('<gone>', 'name or number')
  .argument('<kept>', 'name or number')
  .addOption(ACCOUNT)
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace sites merge 13 12'))
  .action(exits(async (gone, kept, options) => (await import('./sites.ts')).mergeTwoSites(gone, kept, options)))

sites
  .command('history')
  .description('How many hives were at a site: each change, the newest first. With --at, how many at that moment, and which.')
  .argument('<site>', 'name or number')
  .addOption(ACCOUNT)
  .addOption(new Option('--at <time>', 'a time with its zone, or an age').argParser(moment('--at')))
  .addOption(MOST)
  .option('--json', 'as JSON')
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace sites history 12', 'millrace sites history "North orchard" --at 2026-05-03T12:00+02:00'))
  .action(exits(async (site, options) => (await import('./sites.ts')).showHistory(site, options)))

sites
  .command('moves')
  .description('Where a device was at rest and when it was in transit, the newest first.')
  .argument('<device>', 'device ID')
  .addOption(MOST)
  .option('--json', 'as JSON, with the fixes that said so')
  .addOption(CONFIG)
  .action(exits(async (device, options) => (await import('./sites.ts')).showMoves(device, options)))

sites
  .command('recompute')
  .description('Lists the ranges of readings that were enriched before it was known where their device was.')
  .addOption(ACCOUNT)
  .option('--json', 'as JSON')
  .addOption(CONFIG)
  .action(exits(async (options) => (await import('./sites.ts')).showRecompute(options)))
