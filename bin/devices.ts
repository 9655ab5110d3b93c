import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { createDatabase, type Database } from '../connectors/postgres/database.ts'
import { AssignmentError, listDevices, moveDevices, type Placement, provisionDevices } from '../connectors/postgres/devices.ts'
import { momentOption } from '../ops/moments.ts'
import { type DeviceId, parseDeviceId } from '../processors/contract.ts'
import { visible } from '../processors/visible.ts'
import { ConfigError, loadConfig } from '../services/config.ts'
import { print } from './print.ts'
import { sayMoments } from './say-moments.ts'

const USAGE = `  millrace devices add --account NAME [--site NAME] [--from TIME] ID…   provision devices; - reads IDs, one a line, from standard input
  millrace devices move --account NAME [--site NAME] [--at TIME] ID…     end the current assignment and begin another
  millrace devices list                                                 known devices and where they are now`

/** Lines of a list that a message names. */
const MOST_LINES = 5

const options = {
  config: { type: 'string' },
  account: { type: 'string' },
  site: { type: 'string' },
  from: { type: 'string' },
  at: { type: 'string' },
} as const

/** `millrace devices add|move|list` */
export async function devices(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true })
  const [verb, ...names] = positionals
  const config = loadConfig(process.env, values.config)
  const { from, at } = moments(verb, values)
  const list: List = { lines: new Map() }
  await using database: Database = createDatabase({ url: config.env.APP_DATABASE_URL, applicationName: 'millrace devices' })
  try {
    switch (verb) {
      case 'add': {
        const ids = await deviceIds(names, list)
        const { created, assigned } = await provisionDevices(database, {
          ...placement(values),
          devices: ids,
          from: from === undefined ? null : new Date(from),
        })
        print(`${ids.length} devices: ${created} new, ${assigned} newly assigned to ${where(placement(values))}`)
        return 0
      }
      case 'move': {
        const since = new Date(at ?? Date.now())
        const ids = await deviceIds(names, list)
        await moveDevices(database, ids, placement(values), since)
        print(`${ids.length} devices moved to ${where(placement(values))} as of ${since.toISOString()} (UTC)`)
        return 0
      }
      case 'list': {
        for (const { id, account, site, state } of await listDevices(database)) {
          process.stdout.write(`${[id, account, site, state].map((field) => visible(field ?? '-')).join('\t')}\n`)
        }
        return 0
      }
      default:
        throw new ConfigError(`devices: expected add, move or list, got "${verb ?? ''}"\n${USAGE}`)
    }
  } catch (cause) {
    if (!(cause instanceof AssignmentError)) throw cause
    const lines = cause.devices.flatMap((device) => list.lines.get(device) ?? []).slice(0, MOST_LINES)
    throw new ConfigError(
      `${cause.message}${lines.length === 0 ? '' : ` (standard input, line ${lines.join(', ')})`}; nothing was changed`,
      { cause },
    )
  }
}

/** The one of the two that the verb has; the other would be ignored without a word. */
function moments(
  verb: string | undefined,
  given: { readonly from?: string; readonly at?: string },
): { readonly from: number | undefined; readonly at: number | undefined } {
  if (given.from !== undefined && verb !== 'add')
    throw new ConfigError(`devices ${verb ?? ''}: expected ${verb === 'move' ? '--at TIME, not --from' : 'no --from'}\n${USAGE}`)
  if (given.at !== undefined && verb !== 'move')
    throw new ConfigError(`devices ${verb ?? ''}: expected ${verb === 'add' ? '--from TIME, not --at' : 'no --at'}\n${USAGE}`)
  const nowMs = Date.now()
  const taken = { from: momentOption('--from', given.from, nowMs), at: momentOption('--at', given.at, nowMs) }
  sayMoments({ '--from': taken.from, '--at': taken.at })
  return taken
}

/** Where each device of a list on standard input was. */
interface List {
  readonly lines: Map<string, number>
}

async function deviceIds(names: readonly string[], list: List): Promise<readonly DeviceId[]> {
  const ids = names.length === 1 && names[0] === '-' ? readList(await text(process.stdin), list) : names.map((name) => deviceId(name, ''))
  if (ids.length === 0) throw new ConfigError(`devices: expected at least one device ID\n${USAGE}`)
  return [...new Set(ids)]
}

/** IDs with blanks or new lines between. */
function readList(given: string, { lines }: List): readonly DeviceId[] {
  return given
    .replace(/^\ufeff/, '')
    .split('\n')
    .flatMap((line, index) =>
      line
        .split(/\s+/)
        .filter((name) => name !== '')
        .map((name) => {
          const id = deviceId(name, `standard input, line ${index + 1}: `)
          if (!lines.has(id)) lines.set(id, index + 1)
          return id
        }),
    )
}

function deviceId(name: string, where: string): DeviceId {
  const id = parseDeviceId(name)
  if (id === undefined)
    throw new ConfigError(
      `${where}${JSON.stringify(name)} is not a device ID: expected 1 to 64 of A-Z, a-z, 0-9, _ and -, starting with a letter or digit`,
    )
  return id
}

function placement({ account, site }: { readonly account?: string; readonly site?: string }): Placement {
  if (account === undefined || account === '') throw new ConfigError(`devices: expected --account NAME\n${USAGE}`)
  return { account, site: site ?? null }
}

function where({ account, site }: Placement): string {
  return site === null ? `account ${account}` : `account ${account}, site ${site}`
}
