/** What was where, and when: from assignments, movements and ranges that are to be recomputed. */
import type { Database } from './database.ts'
import type { Session } from './session.ts'

/** From a moment on, so many devices are at a site. */
export interface SiteCount extends Record<string, unknown> {
  readonly at: Date
  readonly hives: bigint
}

/** A stay or a trip of a device. */
export interface Move extends Record<string, unknown> {
  readonly since: Date
  /** Null if it still holds. */
  readonly until: Date | null
  readonly state: 'storage' | 'transit' | 'deployed' | 'unknown'
  readonly site: string | null
  readonly site_id: bigint | null
  readonly latitude: number
  readonly longitude: number
  readonly confidence: number
  readonly decided_at: Date
  readonly fixes: unknown
}

/** Readings of a device that were enriched before it was known where it was. */
export interface RecomputeRange extends Record<string, unknown> {
  readonly device: string
  /** Inclusive; null for all of the past. */
  readonly since: Date | null
  /** Exclusive. */
  readonly until: Date
  /** Null for a device that was taken off what it measured. */
  readonly account: string | null
  /** Null in transit. */
  readonly site: string | null
  readonly site_id: bigint | null
  readonly noted_at: Date
}

/** Devices at a site at a moment, by ID. */
export function devicesAt(database: Database, site: bigint, at: Date): Promise<readonly string[]> {
  return database.use(async (session) => {
    const rows = await session.query<{ id: string }>(
      'looking who was at a site',
      'SELECT device_id AS id FROM assignments WHERE site_id = $1 AND valid @> $2::timestamptz ORDER BY 1',
      [site, at],
    )
    return rows.map(({ id }) => id)
  })
}

/** Devices at a site, from each moment at which their number changed; the last `most` of them. */
export function countsOf(database: Database, site: bigint, most: number): Promise<readonly SiteCount[]> {
  return database.use((session) =>
    session.query<SiteCount>(
      'counting who was at a site',
      `SELECT at, hives FROM (
         SELECT at, sum(sum(change)) OVER (ORDER BY at)::bigint AS hives, sum(change) AS change FROM (
           SELECT coalesce(lower(valid), '-infinity') AS at, 1 AS change FROM assignments WHERE site_id = $1
           UNION ALL SELECT upper(valid), -1 FROM assignments WHERE site_id = $1 AND NOT upper_inf(valid)
         ) changes GROUP BY at
       ) counts WHERE change <> 0 ORDER BY at DESC LIMIT $2`,
      [site, most],
    ),
  )
}

/**
 * Stays and trips of a hive, or of the one that a device measures now, the newest first; undefined
 * for one that is not known.
 */
export function movesOf(database: Database, device: string, most: number): Promise<readonly Move[] | undefined> {
  return database.use(async (session) => {
    const rows = await session.query<Move>(
      'reading where a device was',
      `SELECT m.since, lead(m.since) OVER (ORDER BY m.since) AS until,
         CASE WHEN m.state = 'transit' THEN 'transit' WHEN s.kind = 'storage' THEN 'storage' WHEN s.kind = 'orchard' THEN 'deployed' ELSE 'unknown' END AS state,
         s.name AS site, m.site_id, m.latitude, m.longitude, m.confidence, m.decided_at, m.fixes
       FROM movements m LEFT JOIN sites s ON s.id = m.site_id 
       WHERE m.asset_id = CASE WHEN device_of($1, now()) IS NOT NULL THEN $1 ELSE coalesce(asset_of($1, now()), $1) END
       ORDER BY m.since DESC LIMIT $2`,
      [device, most],
    )
    if (rows.length > 0) return rows
    const known = await session.query('looking for a device', 'SELECT FROM devices WHERE id = $1', [device])
    return known.length === 0 ? undefined : []
  })
}

/** What is to be recomputed, by device and time. */
export function recomputeRanges(database: Database, account: string | undefined): Promise<readonly RecomputeRange[]> {
  return database.use((session) =>
    session.query<RecomputeRange>(
      'listing what is to be recomputed',
      `SELECT r.device_id AS device, nullif(r.since, '-infinity') AS since, r.until, a.name AS account, s.name AS site, r.site_id, r.noted_at
       FROM recompute_ranges r LEFT JOIN accounts a ON a.id = r.account_id LEFT JOIN sites s ON s.id = r.site_id
       WHERE $1::text IS NULL OR a.name = $1 ORDER BY r.device_id, r.since`,
      [account ?? null],
    ),
  )
}

/** A range that a recomputation covers whole. Its times are PostgreSQL's, to the microsecond. */
export interface CoveredRange {
  readonly device: string
  readonly since: string
  readonly until: string
}

/** Ranges of these devices that lie within a span. */
export function coveredRanges(
  session: Session,
  devices: readonly string[],
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): Promise<readonly CoveredRange[]> {
  return session.query<CoveredRange & Record<string, unknown>>(
    'listing what is to be recomputed',
    `SELECT device_id AS device, since::text, until::text FROM recompute_ranges
     WHERE device_id = ANY ($1) AND since >= $2 AND until <= $3 ORDER BY device_id, since`,
    [devices, new Date(fromMs).toISOString(), new Date(toMs).toISOString()],
  )
}

/**
 * Forgets ranges that were recomputed, unless they have become others meanwhile.
 * @returns how many
 */
export async function forgetRanges(session: Session, ranges: readonly CoveredRange[]): Promise<number> {
  const gone = await session.query(
    'forgetting what was recomputed',
    `DELETE FROM recompute_ranges AS r USING unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS c (device_id, since, until)
     WHERE r.device_id = c.device_id AND r.since = c.since AND r.until = c.until RETURNING 1`,
    [ranges.map(({ device }) => device), ranges.map(({ since }) => since), ranges.map(({ until }) => until)],
  )
  return gone.length
}
