import { createDatabase, type Database } from '../connectors/postgres/database.ts'
import { countsOf, devicesAt, movesOf, recomputeRanges } from '../connectors/postgres/site-history.ts'
import {
  addSite,
  changeSite,
  findSite,
  listSites,
  mergeSites,
  type NearSite,
  type Place,
  SiteError,
  type SiteKind,
} from '../connectors/postgres/sites.ts'
import { table } from '../ops/text-table.ts'
import { ConfigError, loadConfig } from '../services/config.ts'
import { type ConfigOption, UsageError } from './command-line.ts'
import { print, printAll } from './print.ts'
import { sayMoments } from './say-moments.ts'

interface AccountOption extends ConfigOption {
  readonly account?: string | undefined
}

interface JsonOption extends ConfigOption {
  readonly json?: true | undefined
}

interface SiteOptions extends ConfigOption {
  readonly kind?: SiteKind | undefined
  readonly radius?: number | undefined
  readonly at?: Place | undefined
}

/** As db/app/0024-sites.sql has it. */
const DEFAULT_RADIUS_METRES = 500
const MOST_NAME_CHARACTERS = 200

/** `millrace sites list` */
export function showSites(options: AccountOption & JsonOption): Promise<number> {
  return withSites(options, async (database) => {
    const found = await listSites(database, options.account)
    if (options.json === true) return printJson(found)
    const rows = found.map((site) => [
      String(site.id),
      site.account,
      site.name,
      site.kind,
      site.latitude === null || site.longitude === null ? '' : shownPosition(site.latitude, site.longitude),
      String(Math.round(site.radius_metres)),
      site.founded ? 'founded' : 'by hand',
      String(site.hives),
      site.to_recompute === 0n ? '' : String(site.to_recompute),
    ])
    const head = ['site', 'account', 'name', 'kind', 'position', 'radius m', 'origin', 'hives', 'to recompute']
    printAll(table([head, ...rows], ['right', 'left', 'left', 'left', 'left', 'right', 'left', 'right', 'right']))
  })
}

/** `millrace sites add` */
export function addNewSite(name: string, options: SiteOptions & { readonly account: string }): Promise<number> {
  requireName('the name', name)
  const { account, kind = 'orchard', radius: radiusMetres = DEFAULT_RADIUS_METRES, at } = options
  return withSites(options, async (database) => {
    const { id, near } = await addSite(database, { account, name, kind, radiusMetres, at })
    print(`site ${id}, ${name}, is ${kind === 'orchard' ? 'an orchard' : 'a storage'} of account ${account}`, ...nearLines(id, near))
  })
}

/** `millrace sites set` */
export function setSite(named: string, options: SiteOptions & AccountOption & { readonly name?: string | undefined }): Promise<number> {
  const { name, kind, radius: radiusMetres, at } = options
  if ([name, kind, radiusMetres, at].every((each) => each === undefined))
    throw new UsageError('expected what is to be changed: --name, --kind, --radius or --at')
  if (name !== undefined) requireName('--name', name)
  return withSites(options, async (database) => {
    const site = await findSite(database, named, options.account)
    const near = await changeSite(database, site, { name, kind, radiusMetres, at })
    print(`site ${site.id}, ${name ?? site.name}, of account ${site.account} is changed`, ...nearLines(site.id, near))
  })
}

/** `millrace sites merge` */
export function mergeTwoSites(gone: string, kept: string, options: AccountOption): Promise<number> {
  return withSites(options, async (database) => {
    const [from, to] = [await findSite(database, gone, options.account), await findSite(database, kept, options.account)]
    const assignments = await mergeSites(database, from, to)
    print(`site ${from.id}, ${from.name}, is gone; its ${assignments} assignments, of all times, are those of site ${to.id}, ${to.name}`)
  })
}

/** `millrace sites history` */
export function showHistory(
  named: string,
  options: AccountOption & JsonOption & { readonly at?: number | undefined; readonly most: number },
): Promise<number> {
  return withSites(options, async (database) => {
    const { at, most, json } = options
    const site = await findSite(database, named, options.account)
    if (at === undefined) {
      const counts = await countsOf(database, site.id, most)
      if (json === true) return printJson(counts.map((each) => ({ at: momentOf(each.at), hives: each.hives })))
      return printAll(
        table([['from', 'hives'], ...counts.map((each) => [momentOf(each.at) ?? 'the beginning', String(each.hives)])], ['left', 'right']),
      )
    }
    const moment = new Date(at)
    const devices = await devicesAt(database, site.id, moment)
    if (json === true) return printJson({ site: site.id, at: moment, hives: devices.length, devices })
    sayMoments({ '--at': at })
    print(`${devices.length} at site ${site.id}, ${site.name}, at ${moment.toISOString()}`, ...devices)
  })
}

/** `millrace sites moves` */
export function showMoves(device: string, options: JsonOption & { readonly most: number }): Promise<number> {
  return withSites(options, async (database) => {
    const moves = await movesOf(database, device, options.most)
    if (moves === undefined) throw new SiteError(`there is no device ${JSON.stringify(device)}`)
    if (options.json === true) return printJson(moves)
    const rows = moves.map((each) => [
      each.since.toISOString(),
      each.until?.toISOString() ?? '',
      each.state,
      each.site_id === null ? '' : `${each.site_id}, ${each.site}`,
      shownPosition(each.latitude, each.longitude),
      each.confidence.toFixed(2),
    ])
    const head = ['since', 'until', 'state', 'site', 'position', 'confidence']
    printAll(table([head, ...rows], ['left', 'left', 'left', 'left', 'left', 'right']))
  })
}

/** `millrace sites recompute` */
export function showRecompute(options: AccountOption & JsonOption): Promise<number> {
  return withSites(options, async (database) => {
    const ranges = await recomputeRanges(database, options.account)
    if (options.json === true) return printJson(ranges)
    const rows = ranges.map((each) => [
      each.device,
      each.since?.toISOString() ?? 'the beginning',
      each.until.toISOString(),
      each.account ?? '',
      each.site_id === null ? '' : `${each.site_id}, ${each.site}`,
    ])
    printAll(table([['device', 'from', 'to', 'account', 'site'], ...rows], ['left', 'left', 'left', 'left', 'left']))
  })
}

/** @throws ConfigError for what the database does not know, or refuses */
async function withSites({ config: file }: ConfigOption, work: (database: Database) => Promise<void>): Promise<number> {
  const { env } = loadConfig(process.env, file)
  await using database = createDatabase({ url: env.APP_DATABASE_URL, applicationName: 'millrace sites' })
  try {
    await work(database)
    return 0
  } catch (cause) {
    if (!(cause instanceof SiteError)) throw cause
    throw new ConfigError(cause.message, { cause })
  }
}

function requireName(what: string, name: string): void {
  if (name.trim() === '' || name.length > MOST_NAME_CHARACTERS)
    throw new UsageError(`${what}: expected 1 to ${MOST_NAME_CHARACTERS} characters, got ${JSON.stringify(name)}`)
}

function nearLines(id: bigint, near: readonly NearSite[]): readonly string[] {
  return near.map(
    (each) => `site ${each.id}, ${each.name}, is ${Math.round(each.metres)} m away: if they are one, millrace sites merge ${each.id} ${id}`,
  )
}

function shownPosition(latitude: number, longitude: number): string {
  return `${latitude.toFixed(5)},${longitude.toFixed(5)}`
}

/** Null for the beginning of all time, which PostgreSQL has and JavaScript has not. */
function momentOf(at: unknown): string | null {
  return at instanceof Date ? at.toISOString() : null
}

function printJson(value: unknown): void {
  const plain = (_key: string, each: unknown): unknown => (typeof each === 'bigint' ? Number(each) : each)
  // Escaped by JSON itself; control characters too.
  process.stdout.write(`${JSON.stringify(value, plain, 2)}\n`)
}
