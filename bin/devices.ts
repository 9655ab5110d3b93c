import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { createDatabase, type Database } from '../connectors/postgres/database.ts'
import { AssignmentError, listDevices, moveDevice, type Placement, provisionDevices } from '../connectors/postgres/devices.ts'
import { type DeviceId, parseDeviceId } from '../processors/contract.ts'
import { ConfigError, loadConfig } from '../services/config.ts'

const USAGE = `  millrace devices add --account NAME [--site NAME] [--from TIME] ID…   provision devices; - reads IDs, one a line, from standard input
  millrace devices move --account NAME [--site NAME] [--at TIME] ID…     end the current assignment and begin another
  millrace devices list                                                 known devices and where they are now`

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
  await using database: Database = createDatabase({ url: config.env.APP_DATABASE_URL, applicationName: 'millrace devices' })
  try {
    switch (verb) {
      case 'add': {
        const ids = await deviceIds(names)
        const { created, assigned } = await provisionDevices(database, {
          ...placement(values),
          devices: ids,
          from: time('--from', values.from),
        })
        process.stdout.write(`${ids.length} devices: ${created} new, ${assigned} newly assigned to ${where(placement(values))}\n`)
        return 0
      }
      case 'move': {
        const at = time('--at', values.at) ?? new Date()
        const ids = await deviceIds(names)
        for (const id of ids) await moveDevice(database, id, placement(values), at)
        process.stdout.write(`${ids.length} devices moved to ${where(placement(values))} as of ${at.toISOString()}\n`)
        return 0
      }
      case 'list': {
        for (const { id, account, site, state } of await listDevices(database)) {
          process.stdout.write(`${id}\t${account ?? '-'}\t${site ?? '-'}\t${state ?? '-'}\n`)
        }
        return 0
      }
      default:
        throw new ConfigError(`devices: expected add, move or list, got "${verb ?? ''}"\n${USAGE}`)
    }
  } catch (cause) {
    if (cause instanceof AssignmentError) throw new ConfigError(cause.message, { cause })
    throw cause
  }
}

async function deviceIds(names: readonly string[]): Promise<readonly DeviceId[]> {
  const all = names.length === 1 && names[0] === '-' ? (await text(process.stdin)).split(/\s+/).filter((name) => name !== '') : names
  if (all.length === 0) throw new ConfigError(`devices: expected at least one device ID\n${USAGE}`)
  return all.map((name) => {
    const id = parseDeviceId(name)
    if (id === undefined)
      throw new ConfigError(`"${name}" is not a device ID: expected 1 to 64 of A-Z, a-z, 0-9, _ and -, starting with a letter or digit`)
    return id
  })
}

function placement({ account, site }: { readonly account?: string; readonly site?: string }): Placement {
  if (account === undefined || account === '') throw new ConfigError(`devices: expected --account NAME\n${USAGE}`)
  return { account, site: site ?? null }
}

function where({ account, site }: Placement): string {
  return site === null ? `account ${account}` : `account ${account}, site ${site}`
}

function time(option: string, given: string | undefined): Date | null {
  if (given === undefined) return null
  const at = new Date(given)
  if (Number.isNaN(at.getTime())) throw new ConfigError(`${option}: expected a time such as 2026-11-23T04:00:00Z, got "${given}"`)
  return at
}
