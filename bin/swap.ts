import { SwapError } from '../connectors/postgres/asset-checks.ts'
import { copyAssets } from '../connectors/postgres/asset-copy.ts'
import { assetHistory } from '../connectors/postgres/asset-history.ts'
import { storedFixes } from '../connectors/postgres/asset-readings.ts'
import { type Swapped, swapDevices } from '../connectors/postgres/asset-swap.ts'
import { createDatabase } from '../connectors/postgres/database.ts'
import type { DeviceId } from '../processors/contract.ts'
import { visible } from '../processors/visible.ts'
import { ConfigError, loadConfig } from '../services/config.ts'
import { expectedFailure } from '../services/expected.ts'
import type { ConfigOption } from './command-line.ts'
import { deviceId } from './devices.ts'
import { print } from './print.ts'
import { sayMoments } from './say-moments.ts'

interface SwapOptions extends ConfigOption {
  readonly at?: number | undefined
  readonly spare?: true | undefined
}

/**
 * `millrace devices swap`: in the app database, which is the truth, then in the copy that the
 * telemetry database has.
 */
export async function swap(oldName: string, newName: string, { config: file, at, spare }: SwapOptions): Promise<number> {
  const { env } = loadConfig(process.env, file)
  const old = deviceId(oldName, '')
  const replacement = deviceId(newName, '')
  sayMoments({ '--at': at })
  const moment = at === undefined ? null : new Date(at)
  await using app = createDatabase({ url: env.APP_DATABASE_URL, applicationName: 'millrace devices', lockTimeoutMs: 30_000 })
  await using telemetry = createDatabase({ url: env.TELEMETRY_DATABASE_URL, applicationName: 'millrace devices' })
  // First, so that nothing is changed if the telemetry database is away.
  const fixes = moment === null ? [] : await storedFixes(telemetry, replacement, moment)
  const swapped = await orRefuse(swapDevices(app, { old, replacement, at: moment, spare: spare === true, fixes }))
  print(...told(old, replacement, swapped))
  try {
    await copyAssets(app, telemetry)
    return 0
  } catch (cause) {
    const why = expectedFailure(cause)
    if (why === undefined) throw cause
    process.stderr.write(
      `millrace: the swap is done, but asset_readings in the telemetry database does not show it yet: run this again, or millrace migrate (${visible(why)})\n`,
    )
    return 1
  }
}

async function orRefuse(swapping: Promise<Swapped>): Promise<Swapped> {
  try {
    return await swapping
  } catch (cause) {
    if (!(cause instanceof SwapError)) throw cause
    throw new ConfigError(`${cause.message}; nothing was changed`, { cause })
  }
}

function told(old: DeviceId, replacement: DeviceId, { repeated, asset, at, ended, rules }: Swapped): readonly string[] {
  const when = `${at.toISOString()} (UTC)`
  if (repeated) return [`asset ${asset} is measured by ${replacement} in place of ${old} as of ${when} already: nothing to do`]
  return [
    `asset ${asset} is measured by ${replacement} in place of ${old} as of ${when}`,
    ...(ended === 0
      ? []
      : [`${replacement} had ${ended} assignments of its own from then on, which ended: swapping back at the same time gives them back`]),
    ...(rules === 0 ? [] : [`${rules} rules of alerts that named ${old} name ${replacement} now`]),
  ]
}

/** `millrace devices history` */
export async function history(name: string, { config: file }: ConfigOption): Promise<number> {
  const { env } = loadConfig(process.env, file)
  await using app = createDatabase({ url: env.APP_DATABASE_URL, applicationName: 'millrace devices' })
  const periods = await assetHistory(app, name)
  if (periods.length === 0) throw new ConfigError(`${JSON.stringify(name)}: expected a known device, or something that one measures`)
  const time = (at: Date | null): string => at?.toISOString() ?? '-'
  for (const { asset, device, from, to } of periods) process.stdout.write(`${[asset, device, time(from), time(to)].join('\t')}\n`)
  return 0
}
