import { accountsAndSites, devicesOfOwner } from '../../connectors/postgres/account-names.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { parseDeviceId } from '../../processors/contract.ts'
import type { TimeRange } from '../../processors/store/time-ranges.ts'
import { ConfigError } from '../../services/config.ts'
import type { Owners } from '../replay/owners.ts'

/** Each of them is named in SQL. */
const MOST_DEVICES = 5_000

/**
 * The devices that are recomputed: those that are named, and those that were assigned to an account
 * or a site at some time of the span.
 * @throws ConfigError
 */
export async function chosenDevices(url: string, named: readonly string[], owners: Owners, span: TimeRange): Promise<readonly string[]> {
  for (const device of named)
    if (parseDeviceId(device) === undefined)
      throw new ConfigError(
        `--device: expected the name of a device, got ${JSON.stringify(device)}${device.includes('/') ? ': its channels are recomputed with it' : ''}`,
      )
  const devices = new Set(named)
  if (owners.account !== undefined || owners.site !== undefined) {
    await using database = createDatabase({ url, applicationName: 'millrace recompute' })
    await database.use(async (session) => {
      const found = await accountsAndSites(session, owners.account, owners.site)
      if (found.length === 0) throw new ConfigError('--account and --site: there is no such account, or no such site of it')
      for (const device of await devicesOfOwner(session, owners, span)) devices.add(device)
    })
  }
  if (devices.size === 0) throw new ConfigError('expected --device, --account or --site, and a device of it in that time')
  if (devices.size > MOST_DEVICES)
    throw new ConfigError(`${devices.size} devices: expected ${MOST_DEVICES} at most; recompute them site by site`)
  return [...devices].sort()
}
