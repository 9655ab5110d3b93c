import { type DeviceId, reject } from '../contract.ts'
import { defineProcess, type Transaction } from '../process.ts'
import { lockAccounts, placeAtRest, takeFromSite } from '../sites/placement.ts'
import { fixes } from './fixes.ts'
import { reasons } from './reasons.ts'
import { type Decision, type Fix, follow, noTrack, type Track } from './track.ts'

interface TrackRow extends Record<string, unknown> {
  readonly track: Track
  readonly placed: boolean
}

/**
 * Decides from the fixes of each device whether it is at rest or in transit, and assigns it to the
 * site that it is at rest at. A change of state and the assignments that follow from it are one
 * transaction.
 */
export const businessProcess = defineProcess({
  from: fixes,
  database: 'app',
  // Sorted within each record alone: how records are cut into batches must not decide what is late.
  order: 'as-they-came',
  time: ({ atMicros }) => atMicros,
  reasons,
  metricsPort: 9471,
  before: (inputs, tx) =>
    lockAccounts(
      tx,
      inputs.map(({ device }) => device),
    ),
  handle: async (device, items, tx) => {
    const before = await lockTrack(tx, device)
    if (before === undefined) return reject('unknown-device', `${device} is not in the app database`)
    const { track, decisions } = followAll(before.track, items)
    let { placed } = before
    let first = before.track.rest === null
    for (const decision of decisions) {
      placed = await decided(tx, device, decision, first)
      first = false
    }
    if (!placed && decisions.length === 0) placed = await placeLate(tx, device, track)
    if (track === before.track && placed === before.placed) return undefined
    await tx.query('UPDATE movement_tracks SET track = $2, placed = $3 WHERE device_id = $1', [device, JSON.stringify(track), placed])
    return undefined
  },
})

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

/** The track of a device, for nobody else to change; undefined for a device that is not known. */
async function lockTrack(tx: Transaction, device: DeviceId): Promise<TrackRow | undefined> {
  const locked = 'SELECT track, placed FROM movement_tracks WHERE device_id = $1 FOR UPDATE'
  const [row] = await tx.query<TrackRow>(locked, [device])
  if (row !== undefined) return row
  await tx.query('INSERT INTO movement_tracks (device_id, track) SELECT id, $2 FROM devices WHERE id = $1 ON CONFLICT DO NOTHING', [
    device,
    JSON.stringify(noTrack),
  ])
  return (await tx.query<TrackRow>(locked, [device]))[0]
}

/** Writes a decision and what follows from it. Returns whether nothing is left to do. */
async function decided(tx: Transaction, device: DeviceId, decision: Decision, first: boolean): Promise<boolean> {
  const { state, sinceMicros, latitude, longitude, confidence, fixes: said } = decision
  let site: bigint | undefined
  if (state === 'rest') site = await placeAtRest(tx, device, decision, sinceMicros, first)
  else await takeFromSite(tx, device, sinceMicros)
  await tx.query(
    `INSERT INTO movements (device_id, since, state, latitude, longitude, confidence, fixes, site_id)
     VALUES ($1, to_timestamp(0) + $2::bigint * interval '1 microsecond', $3, $4, $5, $6, $7, $8)
     ON CONFLICT (device_id, since) DO UPDATE SET state = excluded.state, latitude = excluded.latitude, longitude = excluded.longitude,
       confidence = excluded.confidence, fixes = excluded.fixes, site_id = excluded.site_id, decided_at = excluded.decided_at`,
    [device, sinceMicros, state, latitude, longitude, confidence, JSON.stringify(said), site ?? null],
  )
  return state === 'transit' || site !== undefined
}

/** A device that was at rest before it had an account. Returns whether it has a site now. */
async function placeLate(tx: Transaction, device: DeviceId, { rest, moving }: Track): Promise<boolean> {
  if (rest === null || moving) return true
  const site = await placeAtRest(tx, device, rest, rest.sinceMicros, true)
  if (site === undefined) return false
  await tx.query(
    `UPDATE movements SET site_id = $3 WHERE device_id = $1 AND since = to_timestamp(0) + $2::bigint * interval '1 microsecond'`,
    [device, rest.sinceMicros, site],
  )
  return true
}
