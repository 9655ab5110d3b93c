import type { DeviceId } from '../../processors/contract.ts'
import { canBeTrue } from '../../processors/movement/fixes.ts'
import type { Fix } from '../../processors/movement/track.ts'
import type { Database } from './database.ts'
import { quoted } from './readings-table.ts'
import type { Session } from './session.ts'

const DOING = 'migrating view asset_readings'
const OF_SITE = 'readings_of_site(bigint, timestamptz, timestamptz)'

/** The device in the `device_id` of a reading, which may be a channel's, and what follows it. */
const DEVICE = (id: string): string => `split_part(${id}, '/', 1)`
const CHANNEL = (id: string): string => `substr(${id}, length(${DEVICE(id)}) + 1)`

/**
 * View `asset_readings`, functions `readings_of_asset` and `readings_of_site`: the columns of table
 * `readings`, after those of the asset. A view keeps the columns that it was made with, so this
 * runs whenever the table may have others. In the transaction of the migration.
 * @returns what is new, in words
 */
export async function migrateAssetReadings(session: Session): Promise<readonly string[]> {
  const columns = (await columnsOf(session, 'readings')).filter((name) => name !== 'asset_id')
  const wanted = ['asset_id', ...columns]
  const present = await columnsOf(session, 'asset_readings')
  if (present.length === wanted.length && present.every((name, index) => name === wanted[index]) && (await hasSites(session))) return []
  // One that only grows is replaced: what others built on it, and who may read it, stays.
  if (!present.every((name, index) => name === wanted[index]))
    await session.script(
      DOING,
      `DROP FUNCTION IF EXISTS readings_of_asset(text, timestamptz, timestamptz); DROP FUNCTION IF EXISTS ${OF_SITE}; DROP VIEW asset_readings`,
    )
  await session.script(DOING, definition(columns))
  return present.length === 0 ? ['created view asset_readings'] : []
}

/** Whether view asset_readings would get other columns, once readings has these too. */
export async function migratesAssetReadings(session: Session, columns: readonly string[]): Promise<boolean> {
  const wanted = new Set(['asset_id', ...(await columnsOf(session, 'readings')), ...columns])
  const present = await columnsOf(session, 'asset_readings')
  return present.length !== wanted.size || present.some((name) => !wanted.has(name)) || !(await hasSites(session))
}

/** Versions before it had the view alone. */
async function hasSites(session: Session): Promise<boolean> {
  const [row] = await session.query<{ there: boolean }>(DOING, 'SELECT to_regprocedure($1) IS NOT NULL AS there', [OF_SITE])
  return row?.there === true
}

/** In their order; none if there is no such table or view. */
async function columnsOf(session: Session, relation: string): Promise<readonly string[]> {
  const rows = await session.query<{ name: string }>(
    DOING,
    'SELECT attname AS name FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum',
    [relation],
  )
  return rows.map(({ name }) => name)
}

function definition(columns: readonly string[]): string {
  const list = columns.map((name) => `r.${quoted(name)}`).join(', ')
  return `
    CREATE OR REPLACE VIEW asset_readings AS
    SELECT coalesce(p.asset_id || ${CHANNEL('r.device_id')}, r.device_id) COLLATE "C" AS asset_id, ${list}
    FROM readings r LEFT JOIN asset_devices p ON p.device_id = ${DEVICE('r.device_id')} AND p.valid @> r.ts;
    COMMENT ON VIEW asset_readings IS 'Readings with what was measured: asset_id, or asset_id/channel, whichever device sent them. Of one asset: readings_of_asset.';
    CREATE OR REPLACE FUNCTION readings_of_asset(asset text, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL)
    RETURNS SETOF asset_readings LANGUAGE sql STABLE AS $$
      SELECT asset COLLATE "C", ${list} FROM (
        SELECT device_id || ${CHANNEL('asset')} AS device_id, valid FROM asset_devices WHERE asset_id = ${DEVICE('asset')}
        UNION ALL
        SELECT asset, tstzrange(NULL, NULL) WHERE NOT EXISTS (SELECT FROM asset_devices WHERE device_id = ${DEVICE('asset')})
      ) p CROSS JOIN LATERAL (
        SELECT * FROM readings WHERE device_id = p.device_id
          AND ts >= coalesce(since, '-infinity') AND ts < coalesce(until, 'infinity')
          AND ts >= coalesce(lower(p.valid), '-infinity') AND ts < coalesce(upper(p.valid), 'infinity')
        -- By the key for each device, and never by a join over all of the table.
        OFFSET 0
      ) r
    $$;
    COMMENT ON FUNCTION readings_of_asset IS 'Readings of an asset (hive-1), or of a channel of it (hive-1/brood), from since, inclusive, to until, exclusive; null for no limit.';
    CREATE OR REPLACE FUNCTION readings_of_site(site bigint, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL)
    RETURNS SETOF asset_readings LANGUAGE sql STABLE AS $$
      SELECT coalesce(p.asset_id || ${CHANNEL('r.device_id')}, r.device_id) COLLATE "C", ${list} FROM (
        SELECT s.device_id, coalesce(since, '-infinity') AS starts, coalesce(until, 'infinity') AS ends FROM site_devices_kept s
        WHERE s.site_id = site AND s.from_day < coalesce(until, 'infinity') AND s.to_day > coalesce(since, '-infinity')
        UNION ALL
        -- Hours that the job has not looked at may be of any site.
        SELECT h.device_id, greatest(h.from_ts, since), least(h.hour + interval '1 hour', until) FROM rollup_dirty_hours h
        WHERE h.hour < coalesce(until, 'infinity') AND h.hour > coalesce(since, '-infinity') - interval '1 hour' AND NOT EXISTS (
          SELECT FROM site_devices_kept s WHERE s.site_id = site AND s.device_id = h.device_id
            AND s.from_day < coalesce(until, 'infinity') AND s.to_day > coalesce(since, '-infinity'))
      ) d CROSS JOIN LATERAL (
        SELECT * FROM readings WHERE device_id = d.device_id AND ts >= d.starts AND ts < d.ends
          AND ts >= coalesce(since, '-infinity') AND ts < coalesce(until, 'infinity') AND site_id = site
        -- By the key for each device, and never by a join over all of the table.
        OFFSET 0
      ) r LEFT JOIN asset_devices p ON p.device_id = ${DEVICE('r.device_id')} AND p.valid @> r.ts
    $$;
    COMMENT ON FUNCTION readings_of_site IS 'Readings of the devices that were at a site at the time, from since, inclusive, to until, exclusive; null for no limit. Equal to what readings has, at any time.'`
}

interface FixRow extends Record<string, unknown> {
  readonly at: bigint
  readonly latitude: number
  readonly longitude: number
  readonly accuracy: number | null
  readonly estimated: boolean
}

/** Positions that a device itself sent from a moment on, up to now, as movement takes them. */
export function storedFixes(database: Database, device: DeviceId, since: Date): Promise<readonly Fix[]> {
  return database.use(async (session) => {
    const rows = await session.query<FixRow>(
      'reading positions',
      `SELECT (extract(epoch FROM ts) * 1000000)::bigint AS at, latitude, longitude, position_accuracy AS accuracy, time_estimated AS estimated
       FROM readings WHERE device_id = $1 AND ts >= $2 AND ts <= now() + interval '10 minutes' AND latitude IS NOT NULL AND longitude IS NOT NULL
       ORDER BY ts`,
      [device, since],
    )
    return rows
      .filter(({ latitude, longitude, accuracy }) => canBeTrue(latitude, longitude, accuracy))
      .map(({ at, latitude, longitude, estimated }) => ({ atMicros: Number(at), latitude, longitude, estimated }))
  })
}
