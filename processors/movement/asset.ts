import type { DeviceId } from '../contract.ts'
import type { Transaction } from '../process.ts'

/**
 * What is measured: a hive. Each device measures an asset of its own, named as it is, until it is
 * swapped (db/app/0031-assets.sql).
 */
export type AssetId = string & { readonly __assetId: never }

/** A device measures an asset from a moment, inclusive, to another, in microseconds since 1970. */
export interface AssetPeriod {
  readonly asset: AssetId
  readonly fromMicros: number
  readonly toMicros: number
}

interface PeriodRow extends Record<string, unknown> {
  readonly asset: string
  readonly since: bigint | null
  readonly until: bigint | null
}

/** What a device measures, and when: for all of time; empty for a device that is not known. */
export async function periodsOf(tx: Transaction, device: DeviceId): Promise<readonly AssetPeriod[]> {
  const rows = await tx.query<PeriodRow>(
    `SELECT asset_id AS asset, (extract(epoch FROM lower(valid)) * 1000000)::bigint AS since, (extract(epoch FROM upper(valid)) * 1000000)::bigint AS until
     FROM asset_periods WHERE device_id = $1 ORDER BY lower(valid) NULLS FIRST`,
    [device],
  )
  return rows.map(({ asset, since, until }) => ({
    asset: asset as AssetId,
    fromMicros: since === null ? Number.NEGATIVE_INFINITY : Number(since),
    toMicros: until === null ? Number.POSITIVE_INFINITY : Number(until),
  }))
}

/**
 * Lets no device be swapped before the end of the transaction, and locks the tracks of assets whose
 * device was swapped, in one order: an instance that has the old device and one that has the new
 * device go for the same row.
 */
export async function holdAssets(tx: Transaction, devices: readonly DeviceId[]): Promise<void> {
  await tx.query('SELECT hold_swaps()')
  await tx.query(
    `SELECT FROM movement_tracks WHERE asset_id IN (SELECT asset_id FROM asset_devices WHERE device_id = ANY($1::text[]))
     ORDER BY asset_id FOR UPDATE`,
    [devices],
  )
}
