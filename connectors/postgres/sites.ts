/** Sites of accounts, as people see and change them (db/app/0024-sites.sql). */
import { ConnectorError } from '../contract.ts'
import type { Database } from './database.ts'
import type { Session } from './session.ts'

export type SiteKind = 'orchard' | 'storage'

export interface Place {
  readonly latitude: number
  readonly longitude: number
}

/** A site as it is listed. */
export interface ListedSite extends Record<string, unknown> {
  readonly id: bigint
  readonly account: string
  readonly name: string
  readonly kind: SiteKind
  /** Null until it is known. */
  readonly latitude: number | null
  readonly longitude: number | null
  readonly radius_metres: number
  /** Created because hives came to rest there; otherwise by hand. */
  readonly founded: boolean
  /** Devices that are assigned to it now. */
  readonly hives: bigint
  /** Ranges of readings that were enriched before it was known where their device was. */
  readonly to_recompute: bigint
}

export interface NewSite {
  readonly account: string
  readonly name: string
  readonly kind: SiteKind
  readonly radiusMetres: number
  readonly at: Place | undefined
}

/** What of a site is to be another. */
export interface SiteChange {
  readonly name: string | undefined
  readonly kind: SiteKind | undefined
  readonly radiusMetres: number | undefined
  readonly at: Place | undefined
}

/** A site, found by its name or number. */
export interface FoundSite extends Record<string, unknown> {
  readonly id: bigint
  readonly name: string
  readonly account_id: bigint
  readonly account: string
}

/** A site whose radius takes in the position of another. */
export interface NearSite extends Record<string, unknown> {
  readonly id: bigint
  readonly name: string
  readonly metres: number
}

/** What is asked of sites cannot be done. */
export class SiteError extends Error {
  override readonly name = 'SiteError'
}

const UNIQUE_VIOLATION = '23505'
/** Founded sites of an account are apart: `sites_apart`. */
const EXCLUSION_VIOLATION = '23P01'

export function listSites(database: Database, account: string | undefined): Promise<readonly ListedSite[]> {
  return database.use(async (session) => {
    if (account !== undefined) await accountId(session, account)
    return session.query<ListedSite>(
      'listing sites',
      `SELECT s.id, a.name AS account, s.name, s.kind, s.latitude, s.longitude, s.radius_metres, s.founded,
         (SELECT count(*) FROM assignments g WHERE g.site_id = s.id AND g.valid @> now()) AS hives,
         (SELECT count(*) FROM recompute_ranges r WHERE r.site_id = s.id) AS to_recompute
       FROM sites s JOIN accounts a ON a.id = s.account_id
       WHERE $1::text IS NULL OR a.name = $1 ORDER BY a.name, s.name, s.id`,
      [account ?? null],
    )
  })
}

/**
 * Adds a site of an account.
 * @returns its number, and the sites whose radius takes in its position
 * @throws SiteError if there is no such account, or it has a site of that name
 */
export function addSite(database: Database, site: NewSite): Promise<{ readonly id: bigint; readonly near: readonly NearSite[] }> {
  return database.use(async (session) => {
    const doing = 'adding a site'
    await session.script(doing, 'BEGIN')
    const account = await accountId(session, site.account)
    await session.query(doing, 'SELECT lock_sites($1)', [account])
    const [row] = await naming(site.account, site.name, () =>
      session.query<{ id: bigint }>(
        doing,
        'INSERT INTO sites (account_id, name, kind, radius_metres, latitude, longitude) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id',
        [account, site.name, site.kind, site.radiusMetres, site.at?.latitude ?? null, site.at?.longitude ?? null],
      ),
    )
    if (row === undefined) throw new Error('a site was added and has no number')
    const near = await nearSites(session, row.id)
    await session.commit(doing)
    return { id: row.id, near }
  })
}

/**
 * Changes what is given.
 * @returns the sites whose radius takes in its position
 * @throws SiteError if its account has another site of that name, or one was founded so near
 */
export function changeSite(
  database: Database,
  { id, account, account_id: owner, name }: FoundSite,
  change: SiteChange,
): Promise<readonly NearSite[]> {
  return database.use(async (session) => {
    const doing = 'changing a site'
    await session.script(doing, 'BEGIN')
    // Whoever founds a site waits: it may be within this one.
    await session.query(doing, 'SELECT lock_sites($1)', [owner])
    const rows = await naming(account, change.name ?? name, () =>
      session.query(
        doing,
        `UPDATE sites SET name = coalesce($2, name), kind = coalesce($3, kind), radius_metres = coalesce($4, radius_metres),
           latitude = coalesce($5, latitude), longitude = coalesce($6, longitude) WHERE id = $1 RETURNING id`,
        [
          id,
          change.name ?? null,
          change.kind ?? null,
          change.radiusMetres ?? null,
          change.at?.latitude ?? null,
          change.at?.longitude ?? null,
        ],
      ),
    )
    if (rows.length === 0) throw new SiteError(`site ${id} was merged meanwhile`)
    const near = change.at === undefined ? [] : await nearSites(session, id)
    await session.commit(doing)
    return near
  })
}

/**
 * Makes one site of two: all that was ever at the first was at the second.
 * @returns how many assignments were the first one's
 * @throws SiteError if they are one site, or of two accounts
 */
export function mergeSites(database: Database, gone: FoundSite, kept: FoundSite): Promise<number> {
  if (gone.id === kept.id) throw new SiteError(`expected two sites, got site ${gone.id} twice`)
  if (gone.account_id !== kept.account_id)
    throw new SiteError(
      `site ${gone.id} is account ${gone.account}'s and site ${kept.id} account ${kept.account}'s: expected two of one account`,
    )
  return database.use(async (session) => {
    const doing = 'merging sites'
    await session.script(doing, 'BEGIN')
    await session.query(doing, 'SELECT lock_sites($1)', [kept.account_id])
    const both = await session.query(doing, 'SELECT id FROM sites WHERE id IN ($1, $2) ORDER BY id FOR UPDATE', [gone.id, kept.id])
    if (both.length < 2) throw new SiteError(`site ${gone.id} or ${kept.id} was merged meanwhile`)
    const [row] = await session.query<{ count: bigint }>(doing, 'SELECT count(*) AS count FROM assignments WHERE site_id = $1', [gone.id])
    await session.query(doing, 'SELECT merge_sites($1, $2)', [gone.id, kept.id])
    await session.commit(doing)
    return Number(row?.count ?? 0n)
  })
}

/**
 * The site of a name or a number.
 * @throws SiteError if there is none, or more than one
 */
export function findSite(database: Database, named: string, account: string | undefined): Promise<FoundSite> {
  return database.use(async (session) => {
    if (account !== undefined) await accountId(session, account)
    const rows = await session.query<FoundSite>(
      'looking for a site',
      `SELECT s.id, s.name, s.account_id, a.name AS account FROM sites s JOIN accounts a ON a.id = s.account_id
       WHERE (s.id::text = $1 OR s.name = $1) AND ($2::text IS NULL OR a.name = $2) ORDER BY s.id`,
      [named, account ?? null],
    )
    const [only, ...others] = rows
    const of = account === undefined ? '' : ` of account ${account}`
    if (only === undefined) throw new SiteError(`there is no site${of} with the name or number ${JSON.stringify(named)}`)
    if (others.length > 0)
      throw new SiteError(
        `${JSON.stringify(named)} is more than one site: expected the number of one, ${rows.map((each) => `${each.id} (${each.name}, account ${each.account})`).join(' or ')}`,
      )
    return only
  })
}

async function accountId(session: Session, account: string): Promise<bigint> {
  const [row] = await session.query<{ id: bigint }>('looking up the account', 'SELECT id FROM accounts WHERE name = $1', [account])
  if (row === undefined) throw new SiteError(`there is no account ${JSON.stringify(account)}: millrace devices add creates one`)
  return row.id
}

/** Other sites of its account that it lies in, or that lie in it. */
function nearSites(session: Session, id: bigint): Promise<readonly NearSite[]> {
  return session.query<NearSite>(
    'looking for sites near by',
    `SELECT o.id, o.name, metres_between(s.latitude, s.longitude, o.latitude, o.longitude) AS metres
     FROM sites s JOIN sites o ON o.account_id = s.account_id AND o.id <> s.id
     WHERE s.id = $1 AND metres_between(s.latitude, s.longitude, o.latitude, o.longitude) <= greatest(s.radius_metres, o.radius_metres) ORDER BY 3`,
    [id],
  )
}

async function naming<Result>(account: string, name: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (cause) {
    if (!(cause instanceof ConnectorError)) throw cause
    if (cause.code === UNIQUE_VIOLATION) throw new SiteError(`account ${account} has a site ${JSON.stringify(name)} already`, { cause })
    if (cause.code === EXCLUSION_VIOLATION)
      throw new SiteError(`another site of account ${account} was founded within 500 m of that position: merge the two`, { cause })
    throw cause
  }
}
