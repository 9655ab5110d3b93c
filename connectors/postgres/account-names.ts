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

/**
 * Devices that were assigned to an account or a site, by name, at some time of a span.
 * @param fromMs milliseconds since 1970; `toMs` is not included
 */
export async function devicesOfOwner(
  session: Session,
  { account, site }: { readonly account: string | undefined; readonly site: string | undefined },
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): Promise<readonly string[]> {
  const rows = await session.query<{ device: string }>(
    'looking up the devices of an account or a site',
    `SELECT DISTINCT s.device_id AS device FROM assignments AS s JOIN accounts AS a ON a.id = s.account_id LEFT JOIN sites AS p ON p.id = s.site_id
     WHERE ($1::text IS NULL OR a.name = $1) AND ($2::text IS NULL OR p.name = $2) AND s.valid && tstzrange($3, $4) ORDER BY 1`,
    [account ?? null, site ?? null, new Date(fromMs).toISOString(), new Date(toMs).toISOString()],
  )
  return rows.map(({ device }) => device)
}
