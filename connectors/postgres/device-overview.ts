/** Devices as a page shows them, from the app database; the reader's rights are enough. */
import type { Session } from './session.ts'

export interface DeviceQuestion {
  /** Part of the ID of a device, of what it measures, or of the name of its account or site. */
  readonly search: string
  /** Number of an account or site. */
  readonly account: string | null
  readonly site: string | null
  /** `init`, `ready`, `sleeping`, `lost`, `silent`, or `unknown`: nothing came. */
  readonly state: string | null
  /** Devices after this one only. */
  readonly after: string | null
  /** Most devices. */
  readonly most: number
}

/** Times are milliseconds since 1970. Null is unknown. */
export interface DeviceOverview {
  readonly id: string
  readonly accountId: string | null
  readonly account: string | null
  readonly siteId: string | null
  readonly site: string | null
  /** What it measures now. */
  readonly asset: string | null
  readonly state: string | null
  readonly firmware: string | null
  readonly boot: number | null
  readonly lastContact: number | null
  readonly silentAt: number | null
  readonly lastSample: number | null
  /** Volts and per cent. */
  readonly batteryVoltage: number | null
  readonly batteryLevel: number | null
}

export interface SiteOverview {
  readonly id: string
  readonly name: string
  readonly accountId: string
  readonly account: string
  readonly kind: string
  readonly devices: number
}

/** The devices of a question, by ID. */
export async function findDevices(session: Session, question: DeviceQuestion): Promise<readonly DeviceOverview[]> {
  const { search, account, site, state, after, most } = question
  return await session.query<DeviceOverview & Record<string, unknown>>(
    'looking for devices',
    // The limit comes first: what is shown of a device is looked up for those that are shown.
    `WITH found AS MATERIALIZED (
       SELECT d.id FROM devices d
         LEFT JOIN assignments g ON g.device_id = d.id AND g.valid @> now()
         LEFT JOIN accounts a ON a.id = g.account_id
         LEFT JOIN sites s ON s.id = g.site_id
       WHERE ($1::text IS NULL OR d.id > $1)
         AND ($2::bigint IS NULL OR g.account_id = $2) AND ($3::bigint IS NULL OR g.site_id = $3)
         AND ($4::text IS NULL OR EXISTS (
           SELECT FROM device_states t WHERE t.device_id = d.id AND coalesce(t.state, 'unknown') = $4))
         AND ($5 = '' OR strpos(lower(d.id), lower($5)) > 0 OR strpos(lower(a.name), lower($5)) > 0 OR strpos(lower(s.name), lower($5)) > 0
           OR EXISTS (SELECT FROM asset_devices m WHERE m.device_id = d.id AND m.valid @> now() AND strpos(lower(m.asset_id), lower($5)) > 0))
       ORDER BY d.id LIMIT $6
     ) ${shown('found')} ORDER BY found.id`,
    [after, account, site, state, search, most],
  )
}

/** What is known of devices; those that are not in the app database are left out. */
export async function describeDevices(session: Session, devices: readonly string[]): Promise<readonly DeviceOverview[]> {
  return await session.query<DeviceOverview & Record<string, unknown>>(
    'describing devices',
    `WITH found AS MATERIALIZED (SELECT id FROM devices WHERE id = ANY ($1::text[])) ${shown('found')} ORDER BY found.id`,
    [devices],
  )
}

/**
 * By the names of their accounts, then of sites.
 * @param site the number of the only one
 */
export async function overviewSites(session: Session, site: string | null = null): Promise<readonly SiteOverview[]> {
  return await session.query<SiteOverview & Record<string, unknown>>(
    'listing sites',
    `SELECT s.id::text, s.name, a.id::text AS "accountId", a.name AS account, s.kind, count(g.device_id)::integer AS devices
     FROM sites s JOIN accounts a ON a.id = s.account_id LEFT JOIN assignments g ON g.site_id = s.id AND g.valid @> now()
     WHERE $1::bigint IS NULL OR s.id = $1 GROUP BY s.id, a.id ORDER BY a.name, s.name, s.id`,
    [site],
  )
}

function shown(found: string): string {
  return `SELECT ${found}.id, g.account_id::text AS "accountId", a.name AS account, g.site_id::text AS "siteId", s.name AS site,
       asset_of(${found}.id, now()) AS asset, t.state, t.firmware, t.boot, ${millis('t.last_contact')} AS "lastContact",
       ${millis('t.silent_at')} AS "silentAt", ${millis('t.last_sample')} AS "lastSample",
       t.battery_voltage AS "batteryVoltage", t.battery_level AS "batteryLevel"
     FROM ${found}
       LEFT JOIN assignments g ON g.device_id = ${found}.id AND g.valid @> now()
       LEFT JOIN accounts a ON a.id = g.account_id
       LEFT JOIN sites s ON s.id = g.site_id
       LEFT JOIN device_states t ON t.device_id = ${found}.id`
}

function millis(time: string): string {
  return `(extract(epoch FROM ${time}) * 1000)::double precision`
}
