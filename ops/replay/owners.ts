import { accountsAndSites } from '../../connectors/postgres/account-names.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { ConfigError } from '../../services/config.ts'
import type { Row, RowColumn } from '../rows/row.ts'

/** Whose readings. Names are those of the app database. */
export interface Owners {
  readonly account: string | undefined
  readonly site: string | undefined
}

/**
 * A condition on the account and the site that a reading was given as of its own time.
 * @throws ConfigError if there is no such account or site, or rows have neither
 */
export async function ownersFilter(url: string, { account, site }: Owners, columns: readonly RowColumn[]): Promise<(row: Row) => boolean> {
  if (account === undefined && site === undefined) return () => true
  const [accountId, siteId] = ['account_id', 'site_id'].map((wanted) => columns.findIndex(({ name }) => name === wanted))
  if (accountId === undefined || siteId === undefined || accountId < 0 || siteId < 0)
    throw new ConfigError('--account and --site: only readings know whose they are: expected --topic readings')
  await using database = createDatabase({ url, applicationName: 'millrace replay' })
  const found = await database.use((session) => accountsAndSites(session, account, site))
  if (found.length === 0)
    throw new ConfigError(
      `there is no ${[account === undefined ? [] : [`account ${JSON.stringify(account)}`], site === undefined ? [] : [`site ${JSON.stringify(site)}`]].flat().join(' with ')}`,
    )
  const accounts = new Set(found.map(({ accountId: id }) => id))
  const sites = new Set(found.flatMap(({ siteId: id }) => id ?? []))
  return (row) => accounts.has(row[accountId] as number) && (site === undefined || sites.has(row[siteId] as number))
}
