import type { Session } from './session.ts'

/** A boot without an anchor, and the estimate of when it began. */
export interface BootEstimate {
  readonly device: string
  readonly boot: number
  /** Microseconds since 1970. */
  readonly beganMicros: number
}

/** When a boot began. Every instance has the same anchor. */
export interface BootAnchor {
  readonly device: string
  readonly boot: number
  readonly anchorMicros: number
}

/**
 * Most anchors of a device: one for each minute of a month, since some devices boot each time that
 * they wake.
 */
export const MOST_ANCHORS = 50_000
/**
 * A device that has the most anchors loses those that are older than this: Kafka has forgotten
 * their frames by then.
 */
const KEPT_DAYS = 30

interface Row extends Record<string, unknown> {
  readonly device: string
  readonly boot: number
  readonly anchor: bigint
}

/**
 * The anchors of these boots. If a boot has none, the estimate becomes its anchor, unless another
 * instance was faster. A device that is not known, or has too many, gets none.
 * @param most anchors of a device
 */
export async function anchorBoots(
  session: Session,
  estimates: readonly BootEstimate[],
  most = MOST_ANCHORS,
): Promise<readonly BootAnchor[]> {
  const found = await knownAnchors(session, estimates)
  let missing = without(estimates, found)
  for (let attempt = 0; missing.length > 0 && attempt < 2; attempt++) {
    if (attempt > 0 && (await forgetOldest(session, missing)) === 0) break
    await insertAnchors(session, missing, most)
    // This needs a statement of its own, to see what others have committed meanwhile.
    found.push(...(await knownAnchors(session, missing)))
    missing = without(estimates, found)
  }
  return found
}

/**
 * The anchors of these boots as they would be now, without writing any: an estimate stands for an
 * anchor that is missing.
 */
export async function presumedAnchors(session: Session, estimates: readonly BootEstimate[]): Promise<readonly BootAnchor[]> {
  const found = await knownAnchors(session, estimates)
  const presumed = without(estimates, found).map(({ device, boot, beganMicros }) => ({ device, boot, anchorMicros: beganMicros }))
  return [...found, ...presumed]
}

/** The anchors that these boots have. */
export async function knownAnchors(session: Session, boots: readonly BootEstimate[]): Promise<BootAnchor[]> {
  const rows = await session.query<Row>(
    'looking up the beginnings of boots',
    `SELECT device_id AS device, boot, anchor_micros AS anchor FROM boot_anchor
     JOIN unnest($1::text[], $2::int[]) AS wanted (device_id, boot) USING (device_id, boot)`,
    [boots.map(({ device }) => device), boots.map(({ boot }) => boot)],
  )
  return rows.map(({ device, boot, anchor }) => ({ device, boot, anchorMicros: Number(anchor) }))
}

/** Inserts in the order of the key, so that two instances never wait for each other. */
async function insertAnchors(session: Session, boots: readonly BootEstimate[], most: number): Promise<void> {
  await session.query(
    'writing down the beginnings of boots',
    `WITH wanted AS (SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[]) AS w (device_id, boot, anchor_micros)),
          kept AS (SELECT device_id, count(*) AS anchors FROM boot_anchor WHERE device_id = ANY ($1) GROUP BY device_id),
          placed AS (
            SELECT w.*, coalesce(k.anchors, 0) + row_number() OVER (PARTITION BY w.device_id ORDER BY w.boot) AS place
            FROM wanted w JOIN devices d ON d.id = w.device_id LEFT JOIN kept k USING (device_id)
          )
     INSERT INTO boot_anchor (device_id, boot, anchor_micros)
     SELECT device_id, boot, anchor_micros FROM placed WHERE place <= $4 ORDER BY device_id, boot
     ON CONFLICT DO NOTHING`,
    [boots.map(({ device }) => device), boots.map(({ boot }) => boot), boots.map(({ beganMicros }) => String(beganMicros)), most],
  )
}

async function forgetOldest(session: Session, boots: readonly BootEstimate[]): Promise<number> {
  const gone = await session.query(
    'forgetting the beginnings of old boots',
    'DELETE FROM boot_anchor WHERE device_id = ANY ($1) AND anchored_at < now() - make_interval(days => $2) RETURNING 1',
    [boots.map(({ device }) => device), KEPT_DAYS],
  )
  return gone.length
}

function without(boots: readonly BootEstimate[], found: readonly BootAnchor[]): readonly BootEstimate[] {
  if (found.length === 0) return boots
  const names = new Set(found.map(({ device, boot }) => `${device}/${boot}`))
  return boots.filter(({ device, boot }) => !names.has(`${device}/${boot}`))
}
