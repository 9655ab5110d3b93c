/**
 * Which site an asset is at, in the app database (db/app/0024-sites.sql, 0032-asset-movements.sql).
 * Called by process movement, in its transaction: an asset that is at rest and its assignment are
 * one change.
 */
import type { DeviceId } from '../contract.ts'
import type { AssetId } from '../movement/asset.ts'
import type { Position } from '../movement/distance.ts'
import type { Transaction } from '../process.ts'

const AT = `to_timestamp(0) + $2::bigint * interval '1 microsecond'`

interface Present extends Record<string, unknown> {
  readonly account: bigint
  readonly site: bigint | null
  /** Microseconds since 1970. */
  readonly since: bigint
  /** The assignment is later than the first fix at rest. */
  readonly later: boolean
}

/**
 * Assigns an asset to the site that it is at rest at since a moment, in microseconds since 1970.
 * If its account knows none there, the site is created: once, however many devices, partitions and
 * instances come at the same time. A later assignment to a site stays: somebody knew better.
 * @param first whether it never was at rest before. If its present site has no position yet, it has
 *   this one.
 * @returns the site; undefined if the asset has no account
 */
export async function placeAtRest(
  tx: Transaction,
  asset: AssetId,
  { latitude, longitude }: Position,
  sinceMicros: number,
  first: boolean,
): Promise<bigint | undefined> {
  const present = await presentAssignment(tx, asset, sinceMicros)
  if (present === undefined) return undefined
  if (present.later && present.site !== null) return present.site
  const [found] = await tx.query<{ site: bigint }>('SELECT found_site($1, $2, $3, $4) AS site', [
    present.account,
    latitude,
    longitude,
    first ? present.site : null,
  ])
  if (found === undefined) throw new Error(`no site was found or created for ${asset}`)
  await tx.query(`SELECT assign_asset_from($1, $3, ${AT})`, [asset, present.since, found.site])
  return found.site
}

/** Assigns an asset to no site from a moment on. Its account stays. */
export async function takeFromSite(tx: Transaction, asset: AssetId, sinceMicros: number): Promise<void> {
  await tx.query(`SELECT assign_asset_from($1, NULL, ${AT})`, [asset, sinceMicros])
}

/** The last assignment that holds at a moment or later, and from when on, not before the moment. */
async function presentAssignment(tx: Transaction, asset: AssetId, sinceMicros: number): Promise<Present | undefined> {
  const [present] = await tx.query<Present>(
    `SELECT account_id AS account, site_id AS site, coalesce(lower(valid) > ${AT}, false) AS later,
       (extract(epoch FROM greatest(lower(valid), ${AT})) * 1000000)::bigint AS since
     FROM asset_stays WHERE asset_id = $1 AND (upper_inf(valid) OR upper(valid) > ${AT})
     ORDER BY lower(valid) DESC NULLS LAST LIMIT 1`,
    [asset, sinceMicros],
  )
  return present
}

/**
 * Which of these devices, none of which was ever swapped, have an assignment that holds at a moment
 * or later: those that `placeAtRest` can place.
 */
export async function assignedSince(
  tx: Transaction,
  devices: readonly { readonly device: DeviceId; readonly sinceMicros: number }[],
): Promise<readonly DeviceId[]> {
  const rows = await tx.query<{ device: DeviceId }>(
    `SELECT device FROM unnest($1::text[], $2::bigint[]) AS w (device, since) WHERE EXISTS (
       SELECT FROM assignments a WHERE a.device_id = w.device
         AND (upper_inf(a.valid) OR upper(a.valid) > to_timestamp(0) + w.since * interval '1 microsecond'))`,
    [devices.map(({ device }) => device), devices.map(({ sinceMicros }) => sinceMicros)],
  )
  return rows.map(({ device }) => device)
}

/**
 * Locks the accounts that may get a site from these devices, lowest first, so that two instances
 * never wait for each other. An account whose devices are near known sites is not locked.
 */
export async function lockAccounts(tx: Transaction, devices: readonly DeviceId[]): Promise<void> {
  await tx.query(
    `WITH accounts AS MATERIALIZED (
       SELECT DISTINCT a.account_id AS id FROM asset_periods p
       JOIN movement_tracks t ON t.asset_id = p.asset_id
       JOIN assignments a ON a.device_id = p.device_id AND upper_inf(a.valid)
       WHERE p.device_id = ANY($1::text[]) AND p.valid @> now() AND t.arriving AND NOT EXISTS (
         SELECT FROM sites s,
           LATERAL (SELECT (t.track #>> '{candidate,latitude}')::float8 AS latitude, (t.track #>> '{candidate,longitude}')::float8 AS longitude) c
         WHERE s.account_id = a.account_id AND s.latitude BETWEEN c.latitude - 0.2 AND c.latitude + 0.2
           AND metres_between(s.latitude, s.longitude, c.latitude, c.longitude) <= s.radius_metres
       ) ORDER BY 1
     ) SELECT lock_sites(id) FROM accounts`,
    [devices],
  )
}
