import type { Database } from './database.ts'

/** A device measured something for a time, half-open; null for no limit. */
export interface AssetPeriodRow {
  readonly asset: string
  readonly device: string
  readonly from: Date | null
  readonly to: Date | null
}

/** What a device measured, and which devices measured what is named so, in order of time. */
export function assetHistory(database: Database, name: string): Promise<readonly AssetPeriodRow[]> {
  return database.use((session) =>
    session.query<AssetPeriodRow & Record<string, unknown>>(
      'reading who measured what',
      `SELECT asset_id AS asset, device_id AS device, lower(valid) AS from, upper(valid) AS to FROM asset_periods
       WHERE asset_id = $1 OR device_id = $1 ORDER BY lower(valid) NULLS FIRST, asset_id`,
      [name],
    ),
  )
}
