import type { DeviceId } from '../../processors/contract.ts'
import { ConnectorError } from '../contract.ts'
import type { Database } from './database.ts'
import { insertRules, LIKE } from './gateways.ts'
import type { Session } from './session.ts'

/** What devices are assigned to. */
export interface Placement {
  /** Name of the account. It is created if there is none. */
  readonly account: string
  /**
   * Name of a site of the account. It is created if there is none. Null for the account without a
   * site.
   */
  readonly site: string | null
}

export interface Provisioning extends Placement {
  readonly devices: readonly DeviceId[]
  /** Start of the assignment; null for all of the past. */
  readonly from: Date | null
  /** Gateway that may speak for them; null for none. */
  readonly via?: string | null
}

export interface Provisioned {
  readonly accountId: bigint
  readonly siteId: bigint | null
  /** Devices that did not exist. */
  readonly created: number
  /** Devices that were assigned now; the others were assigned before. */
  readonly assigned: number
}

const MOST_NAMED = 5
/** exclusion_violation: two assignments of one device at one time. */
const OVERLAP = '23P01'

/**
 * Creates devices and assigns them, in one transaction. Doing it again changes nothing: a device
 * that has this assignment at `from` keeps it. Cheap in bulk: 20,000 devices take about a second.
 * @throws AssignmentError if a device is elsewhere at `from` or later: move it
 */
export function provisionDevices(database: Database, provisioning: Provisioning): Promise<Provisioned> {
  return database.use((session) => provision(session, provisioning))
}

async function provision(session: Session, { devices, from, via = null, ...placement }: Provisioning): Promise<Provisioned> {
  await session.script('provisioning devices', 'BEGIN')
  const place = await placementIds(session, placement)
  const [created] = await session.query<{ count: bigint }>(
    'provisioning devices',
    `WITH created AS (INSERT INTO devices (id) SELECT DISTINCT unnest($1::text[]) ON CONFLICT DO NOTHING RETURNING 1)
     SELECT count(*) AS count FROM created`,
    [devices],
  )
  const assigned = await assign(session, [...new Set(devices)], place, from)
  if (via !== null) await insertRules(session, via, devices)
  await session.commit('provisioning devices')
  return { ...place, created: Number(created?.count ?? 0n), assigned }
}

/**
 * Ends the devices' assignments at a moment and begins others, all of them in one transaction. A
 * device that is assigned so already is left alone.
 * @throws AssignmentError if a device is not known, or has a later assignment
 */
export function moveDevices(database: Database, devices: readonly DeviceId[], to: Placement, at: Date): Promise<void> {
  return database.use(async (session) => {
    await session.script('moving devices', 'BEGIN')
    const place = await placementIds(session, to)
    const known = await session.query<{ id: string }>(
      'moving devices',
      'SELECT id FROM devices WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE',
      [devices],
    )
    const ids = new Set(known.map(({ id }) => id))
    const unknown = devices.filter((device) => !ids.has(device))
    if (unknown.length > 0) throw new AssignmentError(`${named(unknown)} not known: provision first`, unknown)
    for (const device of devices) await move(session, device, place, at)
    await session.commit('moving devices')
  })
}

async function move(session: Session, device: DeviceId, place: PlacementIds, at: Date): Promise<void> {
  await session.query(
    'ending an assignment',
    `WITH present AS (
       SELECT valid FROM assignments WHERE device_id = $1 AND valid @> $4::timestamptz AND (account_id, site_id) IS DISTINCT FROM ($2::bigint, $3::bigint)
     ), replaced AS (
       DELETE FROM assignments a USING present WHERE a.device_id = $1 AND a.valid = present.valid AND lower(a.valid) = $4
     )
     UPDATE assignments a SET valid = tstzrange(lower(a.valid), $4) FROM present
     WHERE a.device_id = $1 AND a.valid = present.valid AND lower(a.valid) IS DISTINCT FROM $4::timestamptz`,
    [device, place.accountId, place.siteId, at],
  )
  await assign(session, [device], place, at)
}

/** Devices cannot be assigned as asked. */
export class AssignmentError extends Error {
  override readonly name = 'AssignmentError'
  /** The devices in the way, as far as they are known. */
  readonly devices: readonly string[]
  constructor(message: string, devices: readonly string[] = [], options?: ErrorOptions) {
    super(message, options)
    this.devices = devices
  }
}

interface PlacementIds {
  readonly accountId: bigint
  readonly siteId: bigint | null
}

async function placementIds(session: Session, { account, site }: Placement): Promise<PlacementIds> {
  await session.query('creating the account', 'INSERT INTO accounts (name) VALUES ($1) ON CONFLICT DO NOTHING', [account])
  const [owner] = await session.query<{ id: bigint }>('looking up the account', 'SELECT id FROM accounts WHERE name = $1', [account])
  if (owner === undefined) throw new AssignmentError(`account ${account} was deleted meanwhile`)
  if (site === null) return { accountId: owner.id, siteId: null }
  const values = [owner.id, site]
  await session.query('creating the site', 'INSERT INTO sites (account_id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING', values)
  const [place] = await session.query<{ id: bigint }>(
    'looking up the site',
    'SELECT id FROM sites WHERE account_id = $1 AND name = $2',
    values,
  )
  if (place === undefined) throw new AssignmentError(`site ${site} was deleted meanwhile`)
  return { accountId: owner.id, siteId: place.id }
}

/** Assigns devices from a moment on, unless they are assigned so. Returns how many it assigned. */
async function assign(session: Session, devices: readonly DeviceId[], place: PlacementIds, from: Date | null): Promise<number> {
  const taken = await session.query<{ id: string }>(
    'looking for other assignments',
    `SELECT DISTINCT a.device_id AS id FROM assignments a
     WHERE a.device_id = ANY($1::text[]) AND a.valid && tstzrange($4, NULL)
       AND NOT (a.account_id = $2 AND a.site_id IS NOT DISTINCT FROM $3::bigint AND a.valid @> tstzrange($4, NULL)) ORDER BY 1`,
    [devices, place.accountId, place.siteId, from],
  )
  if (taken.length > 0) {
    const ids = taken.map(({ id }) => id)
    throw new AssignmentError(`${named(ids)} assigned elsewhere at that time or later: move instead`, ids)
  }
  try {
    const rows = await session.query(
      'assigning devices',
      `INSERT INTO assignments (device_id, account_id, site_id, valid)
       SELECT id, $2::bigint, $3::bigint, tstzrange($4, NULL) FROM unnest($1::text[]) AS id
       WHERE NOT EXISTS (
         SELECT FROM assignments a WHERE a.device_id = id AND a.account_id = $2 AND a.site_id IS NOT DISTINCT FROM $3
           AND a.valid @> tstzrange($4, NULL)
       ) RETURNING 1`,
      [devices, place.accountId, place.siteId, from],
    )
    return rows.length
  } catch (error) {
    if (!(error instanceof ConnectorError && error.code === OVERLAP)) throw error
    // Somebody else assigned it meanwhile.
    throw new AssignmentError(`a device is assigned elsewhere at that time or later: move it instead (${error.message})`, [], {
      cause: error,
    })
  }
}

/** Devices as the beginning of a sentence. Of many, only the first are named. */
function named(devices: readonly string[]): string {
  const shown = devices.slice(0, MOST_NAMED).join(', ')
  if (devices.length === 1) return `device ${shown} is`
  return `devices ${shown}${devices.length > MOST_NAMED ? ` and ${devices.length - MOST_NAMED} more` : ''} are`
}

/** A known device and where it is now. */
export interface ListedDevice {
  readonly id: string
  readonly account: string | null
  readonly site: string | null
  /** init, ready, sleeping, lost or silent; null if nothing came. */
  readonly state: string | null
  /** Gateways that may speak for it, separated by commas; null for none. */
  readonly via: string | null
  readonly firmware: string | null
  readonly boot: number | null
  /** When the bridge received what it sent last. */
  readonly lastContact: Date | null
  /** When it had been silent for long enough; null if it is not. */
  readonly silentSince: Date | null
  readonly lastSample: Date | null
  /** Volts, and the time of the sample. */
  readonly batteryVoltage: number | null
  readonly batteryVoltageAt: Date | null
  /** Per cent. */
  readonly batteryLevel: number | null
  readonly batteryLevelAt: Date | null
}

/**
 * After how much silence devices are silent; null for the usual time.
 * @throws AssignmentError if a device is not known
 */
export function setSilentAfter(database: Database, devices: readonly DeviceId[], seconds: number | null): Promise<void> {
  return database.use(async (session) => {
    await session.script('setting the time of silence', 'BEGIN')
    const known = await session.query<{ id: string }>(
      'setting the time of silence',
      'UPDATE devices SET silent_after_seconds = $2 WHERE id = ANY($1::text[]) RETURNING id',
      [devices, seconds],
    )
    const ids = new Set(known.map(({ id }) => id))
    const unknown = devices.filter((device) => !ids.has(device))
    if (unknown.length > 0) throw new AssignmentError(`${named(unknown)} not known: provision first`, unknown)
    await session.commit('setting the time of silence')
  })
}

/** Every device, by ID. */
export function listDevices(database: Database): Promise<readonly ListedDevice[]> {
  return database.use((session) =>
    session.query<ListedDevice & Record<string, unknown>>(
      'listing devices',
      `WITH spoken AS (
         SELECT r.device AS id, r.gateway FROM gateway_devices r WHERE strpos(r.device, '*') = 0
         UNION
         SELECT d.id, r.gateway FROM gateway_devices r JOIN devices d ON d.id LIKE ${LIKE} WHERE strpos(r.device, '*') > 0
       ), via AS (SELECT id, string_agg(gateway, ', ' ORDER BY gateway) AS gateways FROM spoken GROUP BY id)
       SELECT d.id, a.name AS account, s.name AS site, t.state, v.gateways AS via, t.firmware, t.boot, t.last_contact AS "lastContact",
         t.silent_at AS "silentSince", t.last_sample AS "lastSample", t.battery_voltage AS "batteryVoltage",
         t.battery_voltage_at AS "batteryVoltageAt", t.battery_level AS "batteryLevel", t.battery_level_at AS "batteryLevelAt"
       FROM devices d
       LEFT JOIN assignments g ON g.device_id = d.id AND g.valid @> now()
       LEFT JOIN accounts a ON a.id = g.account_id
       LEFT JOIN sites s ON s.id = g.site_id
       LEFT JOIN device_states t ON t.device_id = d.id
       LEFT JOIN via v ON v.id = d.id
       ORDER BY d.id`,
      [],
    ),
  )
}
