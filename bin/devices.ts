import { text } from 'node:stream/consumers'
import { createDatabase, type Database } from '../connectors/postgres/database.ts'
import {
  AssignmentError,
  moveDevices as assignAnew,
  type Placement,
  setSilentAfter as silentAfter,
} from '../connectors/postgres/devices.ts'
import { type DeviceId, parseDeviceId } from '../processors/contract.ts'
import { type Config, ConfigError, loadConfig } from '../services/config.ts'
import type { ConfigOption } from './command-line.ts'
import { print } from './print.ts'
import { sayMoments } from './say-moments.ts'

/** Most lines of a list that a message names. */
const MOST_LINES = 5

interface PlacementOptions extends ConfigOption {
  readonly account: string
  readonly site?: string | undefined
}

/** `millrace devices move` */
export async function moveDevices(
  names: readonly string[],
  options: PlacementOptions & { readonly at?: number | undefined },
): Promise<number> {
  const place = placement(options)
  return withDevices(options, names, { '--at': options.at }, async (database, devices) => {
    const since = new Date(options.at ?? Date.now())
    await assignAnew(database, devices, place, since)
    print(`${devices.length} devices moved to ${where(place)} as of ${since.toISOString()} (UTC)`)
    return 0
  })
}

/** `millrace devices silent-after` */
export async function setSilentAfter(time: number | null, names: readonly string[], options: ConfigOption): Promise<number> {
  return withDevices(options, names, {}, async (database, devices) => {
    await silentAfter(database, devices, time)
    print(`${devices.length} devices: silent after ${time === null ? 'the usual hour' : `${time} s`}`)
    return 0
  })
}

export function openDevices({ env }: Config): Database {
  return createDatabase({ url: env.APP_DATABASE_URL, applicationName: 'millrace devices' })
}

/** Works on the named devices, or on those listed on standard input. A message names the line. */
export async function withDevices(
  { config: file }: ConfigOption,
  names: readonly string[],
  moments: Readonly<Record<string, number | undefined>>,
  work: (database: Database, devices: readonly DeviceId[], config: Config) => Promise<number>,
): Promise<number> {
  const config = loadConfig(process.env, file)
  sayMoments(moments)
  const list: List = { lines: new Map() }
  await using database = openDevices(config)
  try {
    return await work(database, await deviceIds(names, list), config)
  } catch (cause) {
    if (!(cause instanceof AssignmentError)) throw cause
    const lines = cause.devices.flatMap((device) => list.lines.get(device) ?? []).slice(0, MOST_LINES)
    throw new ConfigError(
      `${cause.message}${lines.length === 0 ? '' : ` (standard input, line ${lines.join(', ')})`}; nothing was changed`,
      { cause },
    )
  }
}

/** The named devices, or those listed on standard input. */
export function namedDevices(names: readonly string[]): Promise<readonly DeviceId[]> {
  return deviceIds(names, { lines: new Map() })
}

/** The line of each device in a list on standard input. */
interface List {
  readonly lines: Map<string, number>
}

async function deviceIds(names: readonly string[], list: List): Promise<readonly DeviceId[]> {
  const ids = names.length === 1 && names[0] === '-' ? readList(await text(process.stdin), list) : names.map((name) => deviceId(name, ''))
  if (ids.length === 0) throw new ConfigError('expected at least one device ID on standard input')
  return [...new Set(ids)]
}

/** IDs, separated by blanks or new lines. */
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

export function deviceId(name: string, where: string): DeviceId {
  const id = parseDeviceId(name)
  if (id === undefined)
    throw new ConfigError(
      `${where}${JSON.stringify(name)} is not a device ID: expected 1 to 64 of A-Z, a-z, 0-9, _ and -, starting with a letter or digit`,
    )
  return id
}

export function placement({ account, site }: Pick<PlacementOptions, 'account' | 'site'>): Placement {
  if (account === '') throw new ConfigError('--account: expected a name, got ""')
  return { account, site: site ?? null }
}

export function where({ account, site }: Placement): string {
  return site === null ? `account ${account}` : `account ${account}, site ${site}`
}
