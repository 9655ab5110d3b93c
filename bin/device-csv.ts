import { CsvError, parse } from 'csv-parse/sync'
import type { DeviceId } from '../processors/contract.ts'
import { ConfigError } from '../services/config.ts'
import { deviceId } from './devices.ts'

/** Devices that go to one place. */
export interface FleetGroup {
  readonly account: string
  readonly site: string | undefined
  readonly via: string | undefined
  readonly devices: readonly DeviceId[]
  /** The line of each device. */
  readonly lines: readonly number[]
}

/** For rows that do not say it. */
interface Defaults {
  readonly account?: string | undefined
  readonly site?: string | undefined
  readonly via?: string | undefined
}

const COLUMNS: readonly string[] = ['device', 'account', 'site', 'via']

/**
 * Reads a list of devices: CSV (RFC 4180) with a header.
 * @throws ConfigError that names the line and what was expected
 */
export function readFleet(content: string, file: string, defaults: Defaults): readonly FleetGroup[] {
  const groups = new Map<
    string,
    { account: string; site: string | undefined; via: string | undefined; devices: DeviceId[]; lines: number[] }
  >()
  const seen = new Map<DeviceId, number>()
  for (const { record, info } of rows(content, file)) {
    const place = `${file}, line ${info.lines}`
    const device = deviceId(record.device ?? '', `${place}: `)
    const before = seen.get(device)
    if (before !== undefined) throw new ConfigError(`${place}: ${device} is in line ${before} already`)
    seen.set(device, info.lines)
    const account = record.account || defaults.account
    if (account === undefined) throw new ConfigError(`${place}: expected a column account with a name, or --account`)
    const site = record.site || defaults.site
    const via = record.via || defaults.via
    const key = JSON.stringify([account, site, via])
    const group = groups.get(key) ?? { account, site, via, devices: [], lines: [] }
    group.devices.push(device)
    group.lines.push(info.lines)
    groups.set(key, group)
  }
  if (seen.size === 0) throw new ConfigError(`${file}: expected a header and a line for each device`)
  return [...groups.values()]
}

interface Row {
  readonly record: Readonly<Record<string, string | undefined>>
  readonly info: { readonly lines: number }
}

function rows(content: string, file: string): readonly Row[] {
  try {
    return parse(content, {
      bom: true,
      info: true,
      skip_empty_lines: true,
      trim: true,
      columns: (header: readonly string[]) => {
        const unknown = header.find((name) => !COLUMNS.includes(name))
        if (unknown !== undefined || !header.includes('device'))
          throw new ConfigError(`${file}, line 1: expected the columns device and, if need be, account, site, via; got ${header.join(',')}`)
        return [...header]
      },
    }) as unknown as readonly Row[]
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause
    throw new ConfigError(`${file}: ${cause.message}`, { cause })
  }
}
