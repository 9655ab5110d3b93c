import { type DeviceId, reject } from '../contract.ts'
import { type DeviceInputs, defineProcess, type Transaction } from '../process.ts'
import { assignedSince, lockAccounts, placeAtRest, takeFromSite } from '../sites/placement.ts'
import { type AssetId, holdAssets, periodsOf } from './asset.ts'
import { fixes } from './fixes.ts'
import { reasons } from './reasons.ts'
import { type Decision, type Fix, follow, noTrack, type Track } from './track.ts'

interface TrackRow extends Record<string, unknown> {
  readonly track: Track
  readonly placed: boolean
}

/**
 * Decides from the fixes of each device whether the asset that it measures is at rest or in
 * transit, and assigns it to the site that it is at rest at. A change of state and the assignments
 * that follow from it are one transaction.
 */
export const businessProcess = defineProcess({
  from: fixes,
  database: 'app',
  // Sorted within each record alone: how records are cut into batches must not decide what is late.
  order: 'as-they-came',
  time: ({ atMicros }) => atMicros,
  reasons,
  metricsPort: 9471,
  async before(inputs, tx) {
    const devices = inputs.map(({ device }) => device)
    await holdAssets(tx, devices)
    await lockAccounts(tx, devices)
  },
  together: followQuiet,
  handle: async (device, items, tx) => {
    const own = await lockOwnTrack(tx, device)
    if (own !== undefined) {
      await followAsset(tx, device as string as AssetId, own, items)
      return undefined
    }
    const periods = await periodsOf(tx, device)
    if (periods.length === 0) return reject('unknown-device', `${device} is not in the app database`)
    for (const { asset, fromMicros, toMicros } of periods) {
      const within = items.filter(({ atMicros }) => atMicros >= fromMicros && atMicros < toMicros)
      if (within.length > 0) await followAsset(tx, asset, await lockTrack(tx, asset), within)
    }
    return undefined
  },
})

/**
 * Follows the devices that were never swapped, with three statements for all of them, and one more
 * if some are at rest and have no site. Leaves those of which something is decided, those that may
 * have a site now, and those that are not known.
 */
async function followQuiet(inputs: readonly DeviceInputs<Fix>[], tx: Transaction): Promise<readonly DeviceInputs<Fix>[]> {
  const tracks = await lockOwnTracks(
    tx,
    inputs.map(({ device }) => device),
  )
  const quiet = new Map<DeviceId, { readonly before: TrackRow; readonly track: Track }>()
  for (const { device, items } of inputs) {
    const before = tracks.get(device)
    if (before === undefined) continue
    const { track, decisions } = followAll(before.track, items)
    if (decisions.length === 0) quiet.set(device, { before, track })
  }
  for (const device of await placeable(tx, quiet)) quiet.delete(device)
  const changed = [...quiet].filter(([, { before, track }]) => track !== before.track)
  if (changed.length > 0)
    await tx.query(
      `UPDATE movement_tracks AS t SET track = f.track::jsonb FROM unnest($1::text[], $2::text[]) AS f (asset_id, track)
       WHERE t.asset_id = f.asset_id`,
      [changed.map(([device]) => device), changed.map(([, { track }]) => JSON.stringify(track))],
    )
  return inputs.filter(({ device }) => !quiet.has(device))
}

/** Those that have no site where they are at rest, and an account that may have one. */
async function placeable(
  tx: Transaction,
  devices: ReadonlyMap<DeviceId, { readonly before: TrackRow; readonly track: Track }>,
): Promise<readonly DeviceId[]> {
  const waiting = [...devices].filter(([, { before }]) => !before.placed)
  if (waiting.length === 0) return []
  return assignedSince(
    tx,
    // Of one that was taken back `handle` finds that nothing is left to do.
    waiting.map(([device, { track }]) => ({ device, sinceMicros: track.rest?.sinceMicros ?? 0 })),
  )
}

async function followAsset(tx: Transaction, asset: AssetId, before: TrackRow, items: readonly Fix[]): Promise<void> {
  const { track, decisions } = followAll(before.track, items)
  let { placed } = before
  let first = before.track.rest === null
  for (const decision of decisions) {
    placed = await decided(tx, asset, decision, first)
    first = false
  }
  if (!placed && decisions.length === 0) placed = await placeLate(tx, asset, track)
  if (track === before.track && placed === before.placed) return
  await tx.query('UPDATE movement_tracks SET track = $2, placed = $3 WHERE asset_id = $1', [asset, JSON.stringify(track), placed])
}

/**
 * Follows fixes in the order in which they came. What is decided of them, in order: when how many
 * hives were where must not depend on how the fixes came in batches, so a stay that is over already
 * counts too.
 */
function followAll(before: Track, items: readonly Fix[]): { readonly track: Track; readonly decisions: readonly Decision[] } {
  let track = before
  const decisions: Decision[] = []
  for (const fix of items) {
    const { track: next, decision } = follow(track, fix)
    track = next
    if (decision !== null) decisions.push(decision)
  }
  return { track, decisions }
}

/** The tracks of the devices that were never swapped, for nobody else to change. */
async function lockOwnTracks(tx: Transaction, devices: readonly DeviceId[]): Promise<ReadonlyMap<string, TrackRow>> {
  await tx.query(
    `INSERT INTO movement_tracks (asset_id, track)
     SELECT d.id, $2 FROM devices d WHERE d.id = ANY($1::text[]) AND NOT EXISTS (SELECT FROM asset_devices a WHERE a.device_id = d.id)
       AND NOT EXISTS (SELECT FROM movement_tracks t WHERE t.asset_id = d.id)
     ORDER BY d.id ON CONFLICT DO NOTHING`,
    [devices, JSON.stringify(noTrack)],
  )
  const rows = await tx.query<TrackRow & { asset: string }>(
    `SELECT t.asset_id AS asset, t.track, t.placed FROM movement_tracks t
     WHERE t.asset_id = ANY($1::text[]) AND NOT EXISTS (SELECT FROM asset_devices a WHERE a.device_id = t.asset_id)
     ORDER BY t.asset_id FOR UPDATE OF t`,
    [devices],
  )
  return new Map(rows.map((row) => [row.asset, row]))
}

/** One of these. Undefined for a device that was swapped, or of which there is no track yet. */
async function lockOwnTrack(tx: Transaction, device: DeviceId): Promise<TrackRow | undefined> {
  const [row] = await tx.query<TrackRow>(
    `SELECT track, placed FROM movement_tracks
     WHERE asset_id = $1 AND NOT EXISTS (SELECT FROM asset_devices a WHERE a.device_id = $1) FOR UPDATE OF movement_tracks`,
    [device],
  )
  return row
}

/** The track of an asset, for nobody else to change. */
async function lockTrack(tx: Transaction, asset: AssetId): Promise<TrackRow> {
  await tx.query('INSERT INTO movement_tracks (asset_id, track) VALUES ($1, $2) ON CONFLICT DO NOTHING', [asset, JSON.stringify(noTrack)])
  const [row] = await tx.query<TrackRow>('SELECT track, placed FROM movement_tracks WHERE asset_id = $1 FOR UPDATE', [asset])
  if (row === undefined) throw new Error(`the track of ${asset} was deleted at this moment`)
  return row
}

/** Writes a decision and what follows from it. Returns whether nothing is left to do. */
async function decided(tx: Transaction, asset: AssetId, decision: Decision, first: boolean): Promise<boolean> {
  const { state, sinceMicros, latitude, longitude, confidence, fixes: said } = decision
  let site: bigint | undefined
  if (state === 'rest') site = await placeAtRest(tx, asset, decision, sinceMicros, first)
  else await takeFromSite(tx, asset, sinceMicros)
  await tx.query(
    `INSERT INTO movements (asset_id, since, state, latitude, longitude, confidence, fixes, site_id)
     VALUES ($1, to_timestamp(0) + $2::bigint * interval '1 microsecond', $3, $4, $5, $6, $7, $8)
     ON CONFLICT (asset_id, since) DO UPDATE SET state = excluded.state, latitude = excluded.latitude, longitude = excluded.longitude,
       confidence = excluded.confidence, fixes = excluded.fixes, site_id = excluded.site_id, decided_at = excluded.decided_at`,
    [asset, sinceMicros, state, latitude, longitude, confidence, JSON.stringify(said), site ?? null],
  )
  return state === 'transit' || site !== undefined
}

/** An asset that was at rest before it had an account. Returns whether it has a site now. */
async function placeLate(tx: Transaction, asset: AssetId, { rest, moving }: Track): Promise<boolean> {
  if (rest === null || moving) return true
  const site = await placeAtRest(tx, asset, rest, rest.sinceMicros, true)
  if (site === undefined) return false
  await tx.query(
    `UPDATE movements SET site_id = $3 WHERE asset_id = $1 AND since = to_timestamp(0) + $2::bigint * interval '1 microsecond'`,
    [asset, rest.sinceMicros, site],
  )
  return true
}
