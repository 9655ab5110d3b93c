import type { DeviceId } from '../../processors/contract.ts'
import type { AssetId } from '../../processors/movement/asset.ts'
import { followEarlier, type TakenBack, takeBack } from '../../processors/movement/swap.ts'
import type { Fix } from '../../processors/movement/track.ts'
import { ConnectorError } from '../contract.ts'
import { checkSwap, type Period, SwapError } from './asset-checks.ts'
import { assignmentsOf, type Stay, staysFrom, staysOfAsset } from './asset-stays.ts'
import type { Database } from './database.ts'
import { transactionOf } from './outbox.ts'
import type { Session } from './session.ts'

/** A device takes the place of another. */
export interface Swap {
  readonly old: DeviceId
  /** It is created if it is not known. */
  readonly replacement: DeviceId
  /** Null for now, by the clock of the database. */
  readonly at: Date | null
  /** Whether the replacement may have stood at a site, as an asset of its own. */
  readonly spare: boolean
  /** Positions that the replacement sent from `at` on, as far as they are known. */
  readonly fixes: readonly Fix[]
}

export interface Swapped {
  /** Whether it was done before: then nothing was changed. */
  readonly repeated: boolean
  readonly asset: string
  readonly at: Date
  /** Assignments that the replacement had from then on, and no longer has. */
  readonly ended: number
  /** Rules of alerts that named the old device, and name the replacement now. */
  readonly rules: number
}

const DOING = 'swapping devices'
const DEADLOCK_DETECTED = '40P01'
const ATTEMPTS = 5
/** Half-open, of microseconds since 1970; null for no end. */
const RANGE = (from: string, to: string): string =>
  `tstzrange(to_timestamp(0) + ${from}::bigint * interval '1 microsecond', to_timestamp(0) + ${to}::bigint * interval '1 microsecond')`

/**
 * Puts a device in the place of another, from a moment on: what that one measured is measured by
 * the replacement, with its assignments, those that begin later too. One transaction; a repeat
 * changes nothing.
 * @throws SwapError if it cannot be done as asked; ConnectorError
 */
export async function swapDevices(database: Database, swap: Swap): Promise<Swapped> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await database.use((session) => swapOnce(session, swap))
    } catch (error) {
      if (attempt === ATTEMPTS || !(error instanceof ConnectorError && error.code === DEADLOCK_DETECTED)) throw error
    }
  }
}

async function swapOnce(session: Session, swap: Swap): Promise<Swapped> {
  const { old, replacement } = swap
  await lock(session, old, replacement)
  const checked = await checkSwap(session, swap)
  if (checked.tag === 'repeat') return { repeated: true, asset: checked.asset, at: checked.at, ended: 0, rules: 0 }
  const { period, at, atMicros, undoes } = checked
  const own = await ownAsset(session, replacement, atMicros)
  const tx = transactionOf(session, DOING, undefined)
  const said = await takeBack(tx, period.asset, atMicros)
  const ownSaid = await takeBack(tx, own, atMicros)
  const stays = staysOfAsset(await assignmentsOf(session, old), said?.undone ?? [], atMicros)
  const ended = staysFrom(await assignmentsOf(session, replacement), atMicros)
  await replaceOnAsset(session, swap, period, atMicros)
  for (const device of [old, replacement]) await assignWithin(session, device, { ...NOWHERE, fromMicros: atMicros })
  for (const stay of stays) await assignWithin(session, replacement, stay)
  for (const stay of undoes) await assignWithin(session, old, stay)
  await noteRanges(session, atMicros, [
    [old, undoes],
    [replacement, stays],
  ])
  const rules = await handOverRules(session, swap, atMicros)
  await session.query(DOING, 'INSERT INTO device_swaps (old_device, new_device, asset_id, at, ended) VALUES ($1, $2, $3, $4, $5)', [
    old,
    replacement,
    period.asset,
    at,
    JSON.stringify(ended.map((stay) => ({ ...stay, account: String(stay.account), site: stay.site === null ? null : String(stay.site) }))),
  ])
  if (said !== undefined || ownSaid !== undefined) await followEarlier(tx, replacement, fixesFrom(atMicros, swap.fixes, ownSaid))
  await session.commit(DOING)
  return { repeated: false, asset: period.asset, at, ended: ended.length, rules }
}

/** No assignment from a moment on. */
const NOWHERE = { account: null, site: null, toMicros: null } as const

/** In the order in which movement and merges of sites lock; swaps wait for one another. */
async function lock(session: Session, old: DeviceId, replacement: DeviceId): Promise<void> {
  await session.script(DOING, 'BEGIN; SELECT lock_swaps()')
  if ((await session.query(DOING, 'SELECT FROM devices WHERE id = $1', [old])).length === 0)
    throw new SwapError(`device ${old} is not known: expected one that is there (millrace devices list)`)
  await session.query(
    DOING,
    `WITH accounts AS MATERIALIZED (SELECT DISTINCT account_id AS id FROM assignments WHERE device_id = ANY($1::text[]) ORDER BY 1)
     SELECT lock_sites(id) FROM accounts`,
    [[old, replacement]],
  )
  await session.query(DOING, 'INSERT INTO devices (id) VALUES ($1) ON CONFLICT DO NOTHING', [replacement])
  await session.query(DOING, 'SELECT FROM devices WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE', [[old, replacement]])
}

async function ownAsset(session: Session, device: DeviceId, atMicros: number): Promise<AssetId> {
  const [row] = await session.query<{ asset: AssetId }>(
    DOING,
    `SELECT asset_of($1, to_timestamp(0) + $2::bigint * interval '1 microsecond') AS asset`,
    [device, atMicros],
  )
  if (row === undefined) throw new Error(`no asset of ${device}`)
  return row.asset
}

type Place = Omit<Stay, 'account'> & { readonly account: bigint | null }

async function assignWithin(session: Session, device: DeviceId, { account, site, fromMicros, toMicros }: Place): Promise<void> {
  await session.query(DOING, `SELECT assign_within($1, $2, $3, ${RANGE('$4', '$5')})`, [device, account, site, fromMicros, toMicros])
}

/** Writes who measures the asset. A device that measures nothing but its own asset needs no row. */
async function replaceOnAsset(
  session: Session,
  { old, replacement }: Swap,
  { asset, fromMicros }: Period,
  atMicros: number,
): Promise<void> {
  await session.query(DOING, `DELETE FROM asset_devices WHERE device_id = $1 AND valid && ${RANGE('$2', 'NULL')}`, [old, atMicros])
  await session.query(
    DOING,
    `INSERT INTO asset_devices (asset_id, device_id, valid)
     SELECT $1, $2, ${RANGE('$3', '$4')} WHERE $3::bigint IS NULL OR $3::bigint < $4::bigint`,
    [asset, old, fromMicros, atMicros],
  )
  // With what it measured of the asset right before.
  await session.query(
    DOING,
    `WITH added AS (SELECT ${RANGE('$3', 'NULL')} AS valid), before AS (
       DELETE FROM asset_devices d USING added WHERE d.asset_id = $1 AND d.device_id = $2 AND d.valid -|- added.valid RETURNING d.valid
     )
     INSERT INTO asset_devices (asset_id, device_id, valid)
     SELECT $1, $2, range_merge(range_agg(valid)) FROM (SELECT valid FROM added UNION ALL SELECT valid FROM before) parts`,
    [asset, replacement, atMicros],
  )
  await session.query(
    DOING,
    'DELETE FROM asset_devices WHERE device_id = ANY($1::text[]) AND asset_id = device_id AND lower_inf(valid) AND upper_inf(valid)',
    [[old, replacement]],
  )
}

/** Names the readings that were enriched otherwise. A minute more, in which caches learn of it. */
async function noteRanges(session: Session, atMicros: number, devices: readonly (readonly [DeviceId, readonly Stay[]])[]): Promise<void> {
  // Of ranges that overlap, the later holds.
  for (const [device, stays] of devices)
    for (const { account, site, fromMicros, toMicros } of [{ ...NOWHERE, fromMicros: atMicros } as Place, ...stays])
      await session.query(
        DOING,
        `INSERT INTO recompute_ranges (device_id, since, until, account_id, site_id)
         SELECT $1, lower(valid), upper(valid), $2, $3 FROM (
           SELECT ${RANGE('$4', '$5')} * tstzrange(NULL, clock_timestamp() + interval '1 minute') AS valid
         ) past WHERE NOT isempty(valid)`,
        [device, account, site, fromMicros, toMicros],
      )
}

/**
 * Rules that name the old device are about what it measured: they go on for the replacement. What
 * they remember of either is forgotten. One that was put in place and is never heard is silent.
 */
async function handOverRules(session: Session, { old, replacement }: Swap, atMicros: number): Promise<number> {
  const rules = await session.query(
    DOING,
    `UPDATE alert_rules SET devices = CASE WHEN $2 = ANY(devices) THEN array_remove(devices, $1) ELSE array_replace(devices, $1, $2) END
     WHERE removed_at IS NULL AND $1 = ANY(devices) RETURNING 1`,
    [old, replacement],
  )
  await session.query(
    DOING,
    `INSERT INTO alert_device (device_id, heard_at) VALUES ($1, to_timestamp(0) + $2::bigint * interval '1 microsecond')
     ON CONFLICT (device_id) DO UPDATE SET heard_at = greatest(alert_device.heard_at, excluded.heard_at)`,
    [replacement, atMicros],
  )
  await session.query(DOING, 'DELETE FROM alert_state WHERE device_id = ANY($1::text[])', [[old, replacement]])
  return rules.length
}

/** Fixes that are stored, and the latest that movement had, which may not be stored yet. */
function fixesFrom(atMicros: number, stored: readonly Fix[], followed: TakenBack | undefined): readonly Fix[] {
  const fixes = new Map<number, Fix>()
  for (const fix of [...(followed?.fixes ?? []), ...stored]) if (fix.atMicros >= atMicros) fixes.set(fix.atMicros, fix)
  return [...fixes.values()]
}
