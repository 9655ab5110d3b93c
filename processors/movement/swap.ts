/**
 * What a device swap means for movement, in its transaction: what the old device said of the time
 * after the swap is taken back, and what the new one said of it is followed.
 */
import type { DeviceId } from '../contract.ts'
import type { Transaction } from '../process.ts'
import type { AssetId } from './asset.ts'
import { businessProcess } from './process.ts'
import { type Decided, trackBefore } from './take-back.ts'
import type { Fix, Track } from './track.ts'

/** A decision that was taken back. */
export interface Undone {
  readonly sinceMicros: number
  /** Null in transit. */
  readonly site: bigint | null
}

export interface TakenBack {
  readonly undone: readonly Undone[]
  /** Of the latest fixes of the asset, those from the moment on. */
  readonly fixes: readonly Fix[]
}

interface MovementRow extends Record<string, unknown> {
  readonly state: 'rest' | 'transit'
  readonly since: bigint
  readonly latitude: number
  readonly longitude: number
  readonly site: bigint | null
}

const AT = `to_timestamp(0) + $2::bigint * interval '1 microsecond'`
const COLUMNS = 'state, (extract(epoch FROM since) * 1000000)::bigint AS since, latitude, longitude, site_id AS site'

/**
 * Takes back what was decided of an asset as of a moment, in microseconds since 1970, or later.
 * Assignments that followed from it are left to the caller. Undefined if nobody follows the asset.
 */
export async function takeBack(tx: Transaction, asset: AssetId, atMicros: number): Promise<TakenBack | undefined> {
  const [row] = await tx.query<{ readonly track: Track; readonly placed: boolean }>(
    'SELECT track, placed FROM movement_tracks WHERE asset_id = $1 FOR UPDATE',
    [asset],
  )
  if (row === undefined) return undefined
  const undone = await tx.query<MovementRow>(`DELETE FROM movements WHERE asset_id = $1 AND since >= ${AT} RETURNING ${COLUMNS}`, [
    asset,
    atMicros,
  ])
  // Nobody moves on without having rested: the last two have the last rest.
  const latest = await tx.query<MovementRow>(`SELECT ${COLUMNS} FROM movements WHERE asset_id = $1 ORDER BY since DESC LIMIT 2`, [asset])
  const before = latest.map((each): Decided => ({ ...each, sinceMicros: Number(each.since) })).reverse()
  const track = trackBefore(row.track, atMicros, before, undone.length > 0)
  const placed = undone.length === 0 ? row.placed : latest[0]?.state !== 'rest' || latest[0].site !== null
  if (track.rest === null && track.recent.length === 0) await tx.query('DELETE FROM movement_tracks WHERE asset_id = $1', [asset])
  else await tx.query('UPDATE movement_tracks SET track = $2, placed = $3 WHERE asset_id = $1', [asset, JSON.stringify(track), placed])
  return {
    undone: undone.map(({ since, site }) => ({ sinceMicros: Number(since), site })),
    fixes: row.track.recent.filter((fix) => fix.atMicros >= atMicros),
  }
}

/** Follows fixes of a device that came before the swap was known. In any order, repeats too. */
export async function followEarlier(tx: Transaction, device: DeviceId, fixes: readonly Fix[]): Promise<void> {
  const inOrder = [...fixes].sort((a, b) => a.atMicros - b.atMicros)
  if (inOrder.length > 0) await businessProcess.handle(device, inOrder, tx)
}
