import { createDatabase } from '../connectors/postgres/database.ts'
import { listDevices as knownDevices, type ListedDevice } from '../connectors/postgres/devices.ts'
import { visible } from '../processors/visible.ts'
import { loadConfig } from '../services/config.ts'
import type { ConfigOption } from './command-line.ts'

export interface ListOptions extends ConfigOption {
  readonly silent?: true | undefined
  readonly json?: true | undefined
}

/** `millrace devices list` */
export async function listDevices({ config: file, silent, json }: ListOptions): Promise<number> {
  const { env } = loadConfig(process.env, file)
  await using database = createDatabase({ url: env.APP_DATABASE_URL, applicationName: 'millrace devices' })
  const devices = (await knownDevices(database)).filter(({ state }) => silent === undefined || state === 'silent')
  if (json) process.stdout.write(`${JSON.stringify(devices, null, 2)}\n`)
  else for (const device of devices) process.stdout.write(`${columns(device).map(visible).join('\t')}\n`)
  return 0
}

function columns({ id, account, site, state, via, firmware, boot, lastContact, ...battery }: ListedDevice): readonly string[] {
  return [
    ...[id, account, site, state, via, firmware].map((field) => field ?? '-'),
    boot === null ? '-' : String(boot),
    lastContact?.toISOString() ?? '-',
    said(battery),
  ]
}

function said({ batteryLevel, batteryVoltage }: Pick<ListedDevice, 'batteryLevel' | 'batteryVoltage'>): string {
  const values = [
    ...(batteryLevel === null ? [] : [`${Number(batteryLevel.toFixed(1))} %`]),
    ...(batteryVoltage === null ? [] : [`${Number(batteryVoltage.toFixed(3))} V`]),
  ]
  return values.length === 0 ? '-' : values.join(', ')
}
