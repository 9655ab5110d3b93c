import { readFileSync } from 'node:fs'
import type { Database } from '../connectors/postgres/database.ts'
import { AssignmentError, type Provisioned, provisionDevices } from '../connectors/postgres/devices.ts'
import { ConfigError, loadConfig } from '../services/config.ts'
import type { ConfigOption } from './command-line.ts'
import { type CredentialOptions, sayBeside, type WantedCredential, wantedCredential } from './credential-secrets.ts'
import { issue } from './credentials.ts'
import { type FleetGroup, readFleet } from './device-csv.ts'
import { openDevices, placement, where, withDevices } from './devices.ts'
import { gatewayName } from './gateways.ts'
import { sayMoments } from './say-moments.ts'

interface PlaceOptions extends ConfigOption, CredentialOptions {
  readonly site?: string | undefined
  readonly from?: number | undefined
  readonly via?: string | undefined
}

/** `millrace devices add` */
export async function addDevices(names: readonly string[], options: PlaceOptions & { readonly account: string }): Promise<number> {
  const { from } = options
  const wanted = wantedCredential(options)
  const via = options.via === undefined ? null : gatewayName(options.via, '--via')
  const place = placement(options)
  return withDevices(options, names, { '--from': from }, async (database, devices, config) => {
    const done = await provisionDevices(database, { ...place, devices, from: since(from), via })
    say(wanted, devices.length, done, `${where(place)}${via === null ? '' : `, via gateway ${via}`}`)
    return wanted === undefined ? 0 : issue(config, database, devices, wanted, 'leave')
  })
}

/** `millrace devices import`: devices of many accounts, and one kind of credential for all. */
export async function importDevices(csv: string, options: PlaceOptions & { readonly account?: string | undefined }): Promise<number> {
  const wanted = wantedCredential(options)
  const config = loadConfig(process.env, options.config)
  sayMoments({ '--from': options.from })
  const fleet = readFleet(text(csv), csv, options)
  await using database = openDevices(config)
  for (const group of fleet) await provisionGroup(database, group, wanted, csv, options.from)
  return wanted === undefined
    ? 0
    : await issue(
        config,
        database,
        fleet.flatMap(({ devices }) => devices),
        wanted,
        'leave',
      )
}

async function provisionGroup(
  database: Database,
  { account, site, via, devices, lines }: FleetGroup,
  wanted: WantedCredential | undefined,
  csv: string,
  from: number | undefined,
): Promise<void> {
  const gateway = via === undefined ? null : gatewayName(via, `${csv}, line ${lines[0]}: via`)
  const place = placement({ account, site })
  try {
    const done = await provisionDevices(database, { ...place, devices, from: since(from), via: gateway })
    say(wanted, devices.length, done, `${where(place)}${gateway === null ? '' : `, via gateway ${gateway}`}`)
  } catch (cause) {
    if (!(cause instanceof AssignmentError)) throw cause
    const line = lines[devices.findIndex((device) => cause.devices.includes(device))]
    throw new ConfigError(`${csv}${line === undefined ? '' : `, line ${line}`}: ${cause.message}; no credential was made`, { cause })
  }
}

function since(from: number | undefined): Date | null {
  return from === undefined ? null : new Date(from)
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new ConfigError(`${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

function say(wanted: WantedCredential | undefined, devices: number, { created, assigned }: Provisioned, place: string): void {
  sayBeside(wanted, `${devices} devices: ${created} new, ${assigned} newly assigned to ${place}`)
}
