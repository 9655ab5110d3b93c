import type { Session } from './session.ts'

/**
 * Accounts of a name, and their sites of a name: whatever is undefined is any. Without a site there
 * is one row for each account.
 */
export async function accountsAndSites(
  session: Session,
  account: string | undefined,
  site: string | undefined,
): Promise<readonly { readonly accountId: number; readonly siteId: number | null }[]> {
  const rows = await session.query<{ accountId: bigint; siteId: bigint | null }>(
    'looking up accounts and sites',
    `SELECT a.id AS "accountId", s.id AS "siteId" FROM accounts AS a LEFT JOIN sites AS s ON s.account_id = a.id AND s.name = $2
     WHERE ($1::text IS NULL OR a.name = $1) AND ($2::text IS NULL OR s.id IS NOT NULL)`,
    [account ?? null, site ?? null],
  )
  return rows.map(({ accountId, siteId }) => ({ accountId: Number(accountId), siteId: siteId === null ? null : Number(siteId) }))
}
